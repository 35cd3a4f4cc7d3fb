package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"muster/cmd/app"
)

// masterHere holds a master's configuration against this machine.
func (v *validator) masterHere(ctx context.Context, cfg app.MasterConfig) {
	raftKey, raft := "raft-advertise", cfg.RaftAdvertise
	if raft == "" {
		raftKey, raft = "raft-listen", cfg.RaftListen
	}
	apiKey, api := "api-advertise", hostOfURL(cfg.APIAdvertise)
	if cfg.APIAdvertise == "" {
		apiKey, api = "api-listen", hostOf(cfg.APIListen)
	}
	var others []string
	for _, p := range cfg.Masters {
		if p.ID != cfg.ID {
			others = append(others, hostOf(p.RaftAddress), hostOfURL(p.APIURL))
		}
	}
	joined := len(others)
	for _, raw := range cfg.Join {
		others = append(others, hostOfURL(raw))
	}
	v.ownHost(ctx, raftKey, hostOf(raft), others)
	v.ownHost(ctx, apiKey, api, others)
	v.resolvable(ctx, "masters", others[:joined])
	v.resolvable(ctx, "join", others[joined:])
	if n := len(cfg.Masters); n > 0 && n%2 == 0 {
		v.warnf("masters", "has %d masters; they survive the loss of %d, as %d would: an odd number is better", n, (n-1)/2, n-1)
	}
	used := v.dataHere(cfg)
	if !used && !cfg.Bootstrap && len(cfg.Join) == 0 && len(cfg.Masters) == 0 && !v.wrong("bootstrap", "join", "masters") {
		v.warnf("", "it is to be decided how this master gets its cluster: it needs one of bootstrap, join and masters, unless its data directory has one")
	}
}

// slaveHere holds a slave's configuration against this machine.
func (v *validator) slaveHere(ctx context.Context, cfg app.SlaveConfig) {
	key, host := "advertise", hostOfURL(cfg.Advertise)
	if cfg.Advertise == "" {
		key, host = "listen", hostOf(cfg.Listen)
	}
	var masters []string
	for _, raw := range cfg.Masters {
		masters = append(masters, hostOfURL(raw))
	}
	v.ownHost(ctx, key, host, masters)
	v.resolvable(ctx, "masters", masters)
}

// wrong reports whether there is a mistake in one of the keys.
func (v *validator) wrong(keys ...string) bool {
	for _, f := range v.Mistakes {
		if slices.Contains(keys, f.Key) {
			return true
		}
	}
	return false
}

// ownHost warns if the host by which others reach this machine does not look like
// it. Behind a NAT or a proxy that is right.
func (v *validator) ownHost(ctx context.Context, key, host string, others []string) {
	if wildcard(host) { // empty, or a mistake by now
		return
	}
	if loopback(host) {
		for _, other := range others {
			if other != "" && !loopback(other) {
				v.warnf(key, "%s is each machine itself, and %s is elsewhere: it can't reach this machine so%s", host, other, v.like(ctx))
				return
			}
		}
		return
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if !v.here.has(ip) {
			v.warnf(key, "%s is no address of this machine%s; that is right behind a NAT or a proxy", host, v.like(ctx))
		}
		return
	}
	ips, err := v.here.resolve(ctx, host)
	if err != nil {
		v.warnf(key, "the name %s does not resolve here (%s); others must be able to look it up", host, lookupWords(err))
		return
	}
	if slices.ContainsFunc(ips, v.here.has) {
		return
	}
	v.warnf(key, "the name %s stands for %s, which is no address of this machine%s; that is right behind a NAT or a proxy", host, addressText(ips), v.like(ctx))
}

// like suggests an address.
func (v *validator) like(ctx context.Context) string {
	if host := v.here.suggestion(ctx); host != "" {
		return ", which others may reach at " + host
	}
	return ""
}

// resolvable warns of names of others that nobody knows.
func (v *validator) resolvable(ctx context.Context, key string, hosts []string) {
	asked := map[string]bool{}
	for _, host := range hosts {
		if _, err := netip.ParseAddr(host); err == nil || host == "" || loopback(host) || asked[host] {
			continue
		}
		asked[host] = true
		if _, err := v.here.resolve(ctx, host); err != nil {
			v.warnf(key, "the name %s does not resolve here (%s)", host, lookupWords(err))
		}
	}
}

// lookupWords are an error of the resolver without the name that was asked for.
func lookupWords(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Err
	}
	return err.Error()
}

func addressText(ips []netip.Addr) string {
	words := make([]string, len(ips))
	for i, ip := range ips {
		words[i] = ip.String()
	}
	return strings.Join(words, ", ")
}

// dataHere checks the data directory. It reports whether a master has used it.
func (v *validator) dataHere(cfg app.MasterConfig) bool {
	if cfg.DataDir == "" {
		return false
	}
	// It is made at the start, with those above it.
	dir := filepath.Clean(cfg.DataDir)
	for {
		is, err := v.here.isDir(dir)
		if err != nil && !errors.Is(err, fs.ErrPermission) && filepath.Dir(dir) != dir {
			dir = filepath.Dir(dir) // there is nothing yet, or what is above is a file
			continue
		}
		switch {
		case err != nil:
			v.warnf("data", "%s can't be looked at: %v", dir, err)
			return false
		case !is:
			v.mistake("data", "", dir+" is there and is no directory; name another, or move it away")
			return false
		}
		break
	}
	if err := v.here.writable(dir); err != nil {
		v.warnf("data", "who runs this command can't write in %s (%v); who runs the master must be able to", dir, err)
	}
	if !filepath.IsAbs(cfg.DataDir) {
		v.warnf("data", "%s is another directory for each place that the master is started from; write it from the root on", cfg.DataDir)
	}
	return v.identityHere(cfg)
}

// identityHere reads whose the directory is, as a master does at its start. That
// start also says what else may be wrong with the file.
func (v *validator) identityHere(cfg app.MasterConfig) bool {
	text, err := v.here.read(filepath.Join(cfg.DataDir, "identity.json"))
	if err != nil {
		return false // not used yet, or somebody else may read it
	}
	var identity struct {
		ID        string `json:"id"`
		ClusterID string `json:"cluster_id"`
	}
	if err := json.Unmarshal(text, &identity); err != nil || identity.ID == "" {
		v.warnf("data", "identity.json in %s can't be read as a master's: the master will not start", cfg.DataDir)
		return false
	}
	if cfg.ID != "" && identity.ID != cfg.ID {
		v.mistake("data", "", fmt.Sprintf("%s belongs to master %q, not to %q; give each master a directory of its own, or write id: %s",
			cfg.DataDir, identity.ID, cfg.ID, identity.ID))
	}
	return identity.ClusterID != ""
}
