package slave

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"muster/task"
	"muster/task/baseurl"
)

// listen opens the listener, if there is none yet, and says by which URL the
// masters reach it.
func (c *Config) listen() (net.Listener, string, error) {
	l := c.Listener
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", c.Listen); err != nil {
			return nil, "", err // it names the address
		}
	}
	advertised := strings.TrimRight(c.Advertise, "/")
	if advertised == "" {
		advertised = "http://" + l.Addr().String()
		if err := checkAdvertised(advertised); err != nil {
			return nil, "", errors.Join(
				fmt.Errorf("it listens on %s, and masters can't call that (%w); set the URL that they can call (advertise), such as http://HOST:PORT", l.Addr(), err),
				l.Close())
		}
	}
	return l, advertised, nil
}

// checkAdvertised refuses URLs that can't be called from elsewhere.
func checkAdvertised(s string) error {
	u, err := baseurl.Parse(s)
	if err != nil {
		return fmt.Errorf("the advertised URL %w", err)
	}
	host := u.Hostname()
	if len(s) > task.MaxURLBytes {
		return fmt.Errorf("the advertised URL has %d bytes; at most %d are possible", len(s), task.MaxURLBytes)
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsUnspecified() {
		return fmt.Errorf("the advertised URL %q has the wildcard address %s: name the address or host that masters can call", s, host)
	}
	return nil
}

// machineName is this machine's, or "".
func machineName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
