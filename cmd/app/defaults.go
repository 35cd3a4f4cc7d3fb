package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"muster/cluster"
	"muster/task/baseurl"
	"muster/task/browser"
)

// The profiles of MasterConfig.Profile.
const (
	ProfileLAN = "lan"
	ProfileWAN = "wan"
)

// withDefaults fills in what follows from other fields and refuses what can't
// work.
func (c MasterConfig) withDefaults() (MasterConfig, error) {
	if c.ID == "" || c.DataDir == "" || c.RaftListen == "" || c.APIListen == "" {
		return c, errors.New("a master needs an id (--id), a data directory (--data), and addresses to listen on (--raft-listen, --api-listen)")
	}
	if c.RaftAdvertise == "" {
		c.RaftAdvertise = c.RaftListen
	}
	if c.APIAdvertise == "" {
		c.APIAdvertise = "http://" + c.APIListen
	}
	if c.SlaveTimeout == 0 {
		c.SlaveTimeout = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Profile != "" && c.Profile != ProfileLAN && c.Profile != ProfileWAN {
		return c, fmt.Errorf("profile %q is unknown; there are %q and %q", c.Profile, ProfileLAN, ProfileWAN)
	}
	if err := reachable(c.RaftAdvertise, "--raft-advertise"); err != nil {
		return c, err
	}
	var err error
	c.APIAdvertise, err = baseURL(c.APIAdvertise, "--api-advertise")
	return c, err
}

func (c SlaveConfig) withDefaults() (SlaveConfig, error) {
	if c.Name == "" || c.Listen == "" || len(c.Masters) == 0 {
		return c, errors.New("a slave needs a name (--name), an address to listen on (--listen), and at least one master's API URL (--masters)")
	}
	if c.Advertise == "" {
		c.Advertise = "http://" + c.Listen
	}
	if c.Slots == 0 {
		c.Slots = 1
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var err error
	c.Advertise, err = baseURL(c.Advertise, "--advertise")
	return c, err
}

// baseURL checks a URL that others are told to call.
func baseURL(raw, flag string) (string, error) {
	u, err := baseurl.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("%s needs a base URL like http://10.0.0.1:8080; the one that is given %w", flag, err)
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if err := reachable(host, flag); err != nil {
		return "", err
	}
	return strings.TrimRight(raw, "/"), nil
}

// reachable refuses addresses that mean "any of mine" to the listener and
// nothing to others.
func reachable(address, flag string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not host:port; set %s to an address that others can reach: %w", address, flag, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("others can't reach %q; set %s to this machine's own address", address, flag)
	}
	if port == "0" || port == "" {
		return fmt.Errorf("others can't reach port %q of %q; set %s to the real one", port, address, flag)
	}
	if err := baseurl.CheckAddress(address); err != nil {
		return fmt.Errorf("%s: %q %w", flag, address, err)
	}
	return nil
}

func (c MasterConfig) timings() cluster.Timings {
	if c.Profile == ProfileWAN {
		return cluster.WAN()
	}
	return cluster.LAN()
}

func (c MasterConfig) founders() []cluster.Founder {
	var out []cluster.Founder
	for _, p := range c.Masters {
		out = append(out, cluster.Founder(p))
	}
	return out
}

// transport listens for other masters' Raft messages.
func (c MasterConfig) transport(ctx context.Context) (cluster.Transport, error) {
	listener, err := c.Network.listen(ctx, c.RaftListen)
	if err != nil {
		return nil, fmt.Errorf("listen for Raft on %s (--raft-listen): %w", c.RaftListen, err)
	}
	return cluster.NewTransport(cluster.TransportConfig{
		Listener: listener, Advertise: c.RaftAdvertise, Dial: c.Network.dial(), Timings: c.timings(), Logger: c.Logger,
	}), nil
}

// names are those by which this master may be called: what it was told, what its
// settings call masters, and this machine's name.
func (c MasterConfig) names() []string {
	names := slices.Clone(c.APINames)
	for _, p := range c.Masters {
		names = append(names, browser.HostOf(p.APIURL))
	}
	for _, raw := range c.Join {
		names = append(names, browser.HostOf(raw))
	}
	if host, _, err := net.SplitHostPort(c.APIListen); err == nil {
		names = append(names, host)
	}
	if host, err := os.Hostname(); err == nil {
		short, _, _ := strings.Cut(host, ".")
		names = append(names, host, short)
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == "" })
}
