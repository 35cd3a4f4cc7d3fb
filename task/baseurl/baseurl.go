package baseurl

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Parse reads SCHEME://HOST[:PORT][/PATH], with http or https. The path is of plain
// segments: letters, digits and - . _ ~, none of them "." or "..". There is no user,
// no query and no fragment, not even an empty one. The error is read after
// the URL: "has a query; …". It never holds a user's password.
func Parse(raw string) (*url.URL, error) {
	switch {
	case !strings.Contains(raw, "://"):
		return nil, errors.New("has no scheme; write it like http://10.0.0.7:8101")
	case strings.Contains(raw, "@"):
		return nil, errors.New("has a user name in it, or an @")
	case strings.Contains(raw, "?"):
		return nil, errors.New("has a query; leave the ? and what follows it out")
	case strings.Contains(raw, "#"):
		return nil, errors.New("has a fragment; leave the # and what follows it out")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("is no URL like http://10.0.0.7:8101: %w", reason(err))
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("has the scheme %.40q; only http and https are spoken", u.Scheme)
	}
	if err := checkHost(u); err != nil {
		return nil, err
	}
	if err := checkPath(raw, u); err != nil {
		return nil, err
	}
	return u, nil
}

// Join returns the URL of a path below a base URL.
func Join(raw, path string) (string, error) {
	u, err := Parse(raw)
	if err != nil {
		return "", err
	}
	return u.JoinPath(path).String(), nil
}

func checkHost(u *url.URL) error {
	host, port := u.Hostname(), u.Port()
	if host == "" {
		return errors.New("names no host; write it like http://10.0.0.7:8101")
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.ContainsFunc(host, func(r rune) bool {
		return r < 0x80 && !strings.ContainsRune(plain, r) // names beyond ASCII are looked up as IDNA has it
	}) {
		return fmt.Errorf("has the host %.100q; a host has letters, digits, - and dots, or is an IP address", host)
	}
	if strings.HasSuffix(u.Host, ":") {
		return errors.New("names no port after the colon")
	}
	if port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return fmt.Errorf("has the port %.20q; a port is a number up to 65535", port)
		}
	}
	return nil
}

// plain are the characters that mean nothing but themselves in a path.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"

func checkPath(raw string, u *url.URL) error {
	_, rest, _ := strings.Cut(raw, "://")
	_, path, _ := strings.Cut(rest, "/") // as it was written: u.Path is decoded
	path = strings.TrimSuffix(path, "/")
	if path == "" {
		return nil
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." || strings.ContainsFunc(segment, func(r rune) bool { return !strings.ContainsRune(plain, r) }) {
			return fmt.Errorf("has the path %.100q; its segments are letters, digits and - . _ ~, and none is empty, a dot or two dots", u.Path)
		}
	}
	return nil
}

// reason leaves out the text that url.Parse repeats.
func reason(err error) error {
	if parse, ok := errors.AsType[*url.Error](err); ok {
		return parse.Err
	}
	return err
}
