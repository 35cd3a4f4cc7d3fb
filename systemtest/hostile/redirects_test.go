package hostile

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestRedirectsGoWhereTheConfigurationSays asks a follower at addresses that are not
// its own: whoever believes a Host header sends clients to strangers.
func TestRedirectsGoWhereTheConfigurationSays(t *testing.T) {
	t.Parallel()
	s := newSystem(t, 4)
	s.addMaster(t, "m2", "--join="+s.leader().url)
	for name, head := range map[string]string{
		"host":          "POST /v1/tasks HTTP/1.1\r\nHost: 203.0.113.9\r\n",
		"absolute":      "POST http://203.0.113.9/v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\n",
		"forwarded":     "POST /v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-Host: 203.0.113.9\r\nX-Forwarded-Proto: gopher\r\nForwarded: host=evil.example\r\n",
		"no host":       "POST /v1/tasks HTTP/1.0\r\n",
		"host and more": "POST /v1/tasks?explain=true HTTP/1.1\r\nHost: 203.0.113.9:80\r\nX-Original-URL: //evil.example\r\nX-Host: 203.0.113.9\r\n",
		"escapes":       "POST /v1/slaves/evil.example%3f%0d%0aX:y/leave HTTP/1.1\r\nHost: 127.0.0.1\r\n",
	} {
		// Leadership may move while this runs, so both are asked until one of
		// them redirects.
		eventually(t, name, func() error {
			for i, m := range s.masters {
				other := s.masters[1-i]
				resp, err := redirect(t, m, head)
				if err != nil {
					return err
				}
				if resp.StatusCode != http.StatusTemporaryRedirect {
					continue
				}
				if location := resp.Header.Get("Location"); !strings.HasPrefix(location, other.url+"/v1/") {
					t.Errorf("%s: to %q", name, location)
				}
				return nil
			}
			return errors.New("nobody redirects")
		})
	}
}

func redirect(t *testing.T, m *node, head string) (*http.Response, error) {
	t.Helper()
	const body = `{"expression":"1"}`
	conn := dial(t, m.url)
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", head, len(body), body); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}
