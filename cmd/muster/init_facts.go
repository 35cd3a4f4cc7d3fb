package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"muster/api/client"
)

// machine is what a configuration depends on that is not in it. Tests fill it in.
type machine struct {
	host      string // its own name
	addresses []ownAddress
	cores     int    // that this process may use
	memory    uint64 // bytes that this process may use; 0: not known
	root      bool
	dir       string // where the command was typed

	// sourceTo returns the own address that packets to a host leave from; none if
	// there is no way there. No packet is sent.
	sourceTo func(ctx context.Context, host string) netip.Addr
	resolve  func(ctx context.Context, host string) ([]netip.Addr, error)
	listen   func(ctx context.Context, address string) error   // nil: it could listen there
	asked    func(ctx context.Context, masterURL string) error // nil: a master answers
	isDir    func(path string) (bool, error)                   // an error that is fs.ErrNotExist: nothing is there
	writable func(dir string) error
	read     func(path string) ([]byte, error)
}

// ownAddress is an address of the machine on one of its cards.
type ownAddress struct {
	card string
	ip   netip.Addr
}

// thisMachine looks around. What can't be found out is left out.
func thisMachine() machine {
	m := machine{
		addresses: ownAddresses(), cores: runtime.GOMAXPROCS(0), memory: memoryLimit(os.ReadFile), root: os.Geteuid() == 0,
		sourceTo: sourceTo, resolve: resolve, listen: canListen, asked: asked, isDir: isDir, writable: writable, read: os.ReadFile,
	}
	m.host, _ = os.Hostname() // a name is made up for a machine without one
	m.dir, _ = os.Getwd()     // "." does then
	return m
}

// ownAddresses are those of the cards that are up. Loopback and link-local ones
// are left out: nobody else can dial them.
func ownAddresses() []ownAddress {
	cards, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var all []ownAddress
	for _, card := range cards {
		if card.Flags&net.FlagUp == 0 {
			continue
		}
		list, err := card.Addrs()
		if err != nil {
			continue
		}
		for _, a := range list {
			prefix, err := netip.ParsePrefix(a.String())
			if err == nil && prefix.Addr().Unmap().IsGlobalUnicast() {
				all = append(all, ownAddress{card.Name, prefix.Addr().Unmap()})
			}
		}
	}
	return all
}

// lookupTime bounds a question to the system's resolver.
const lookupTime = 3 * time.Second

// sourceTo makes a UDP socket for the host, which makes the system choose a route
// and an address of its own; nothing is sent.
func sourceTo(ctx context.Context, host string) netip.Addr {
	dialer := net.Dialer{Timeout: lookupTime}
	conn, err := dialer.DialContext(ctx, "udp", net.JoinHostPort(host, "9"))
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close() //nolint:errcheck // nothing was sent
	own, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}
	}
	return own.AddrPort().Addr().Unmap().WithZone("")
}

func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// canListen listens, and stops at once.
func canListen(ctx context.Context, address string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen there: %w", err)
	}
	return l.Close()
}

// asked asks a master for its status, once.
func asked(ctx context.Context, masterURL string) error {
	c, err := client.New(client.Config{Addresses: []string{masterURL}})
	if err != nil {
		return fmt.Errorf("prepare to ask %s: %w", masterURL, err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	_, err = c.Status(ctx, masterURL, false)
	return err
}

func isDir(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", path, err)
	}
	return info.IsDir(), nil
}

// writable makes a file in dir and removes it: file modes alone don't tell, as a
// file system may be mounted read-only.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".muster-*")
	if err != nil {
		return fmt.Errorf("write in %s: %w", dir, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// memoryLimit is the machine's memory, or what a control group leaves of it. Where
// there is no /proc it is not known.
func memoryLimit(read func(string) ([]byte, error)) uint64 {
	var total uint64
	info, err := read("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(info)) {
		if n, notThis := fmt.Sscanf(line, "MemTotal: %d kB", &total); n == 1 && notThis == nil {
			break
		}
	}
	total <<= 10
	var limit uint64
	group, err := read("/sys/fs/cgroup/memory.max")
	if err != nil {
		return total
	}
	if n, err := fmt.Sscan(string(group), &limit); n == 1 && err == nil && limit < total {
		return limit
	}
	return total
}

// dataDirectory is where a master keeps its data if nobody says.
func (m machine) dataDirectory() string {
	const packaged = "/var/lib/muster"
	if is, err := m.isDir(packaged); m.root || err == nil && is {
		return packaged + "/master"
	}
	return filepath.Join(m.dir, "data")
}
