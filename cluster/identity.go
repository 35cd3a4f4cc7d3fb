package cluster

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// identityFile says whose data directory it is. It is written, with fsync,
// before the step that it records has consequences.
const identityFile = "identity.json"

const identityVersion = 1

// identity is the content of the identity file.
type identity struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	DiskID  string `json:"disk_id"`

	// ClusterID is set with Founders, or when a join was accepted.
	ClusterID string        `json:"cluster_id,omitempty"`
	Founders  []foundingRow `json:"founders,omitempty"`
	// Bootstrapped: Raft's log has the founders' configuration. With an empty
	// log after that, somebody wiped it.
	Bootstrapped bool `json:"bootstrapped,omitempty"`

	// Joining is set before this node first asks to be taken in, Joined once it
	// was. Between the two it does not vote.
	Joining *joiningRow `json:"joining,omitempty"`
	Joined  bool        `json:"joined,omitempty"`
	// Voted: after that it had a vote. If it is no member any more, somebody
	// removed it.
	Voted bool `json:"voted,omitempty"`
}

// foundingRow is one founder, sorted by id.
type foundingRow struct {
	ID          string `json:"id"`
	DiskID      string `json:"disk_id"`
	RaftAddress string `json:"raft_address"`
	APIURL      string `json:"api_url"`
}

// joiningRow is a join that is under way.
type joiningRow struct {
	ClusterID string `json:"cluster_id"`
	// Since is the cluster's index before this disk first asked. A
	// configuration after it that has this node as a non-voter can only mean
	// this disk.
	Since uint64 `json:"since"`
}

// member reports whether this disk belongs to a cluster and so may vote.
func (i *identity) member() bool { return i.Bootstrapped || i.Joined }

// voter reports whether this disk's master has ever had a vote.
func (i *identity) voter() bool { return i.Bootstrapped || i.Voted }

// disks returns the founders' disk ids by id.
func (i *identity) disks() map[string]string {
	if len(i.Founders) == 0 {
		return nil
	}
	disks := make(map[string]string, len(i.Founders))
	for _, f := range i.Founders {
		disks[f.ID] = f.DiskID
	}
	return disks
}

// clusterID names the cluster that these disks form, equally on each of them.
func clusterID(founders []foundingRow) string {
	lines := make([]string, 0, len(founders))
	for _, f := range founders {
		lines = append(lines, f.ID+"\x00"+f.DiskID+"\n")
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return hex.EncodeToString(sum[:12])
}

// identityStore is the identity file and its copy in memory.
type identityStore struct {
	dir string

	mu      sync.Mutex
	current identity // under mu
}

// loadIdentity reads the identity file. It reports false if there is none.
func loadIdentity(dir string) (identity, bool, error) {
	var id identity
	path := filepath.Join(dir, identityFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return id, false, nil
	}
	if err != nil {
		return id, false, fmt.Errorf("read identity: %w", err)
	}
	if err := json.Unmarshal(data, &id); err != nil {
		return id, false, fmt.Errorf("read identity %s: %w", path, err)
	}
	if id.Version != identityVersion {
		return id, false, fmt.Errorf("identity %s has version %d, and this program understands %d", path, id.Version, identityVersion)
	}
	return id, true, nil
}

// newIdentity makes the identity of a data directory that was never used.
func newIdentity(id string) identity {
	return identity{Version: identityVersion, ID: id, DiskID: rand.Text()}
}

// get returns a copy whose slices must not be changed.
func (s *identityStore) get() identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// update changes the identity, on disk before in memory.
func (s *identityStore) update(change func(*identity)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.current
	change(&next)
	if err := writeIdentity(s.dir, next); err != nil {
		return err
	}
	s.current = next
	return nil
}

// writeIdentity replaces the file in one step: a crash leaves the old or the new.
func writeIdentity(dir string, id identity) error {
	data, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return fmt.Errorf("encode identity: %w", err)
	}
	path := filepath.Join(dir, identityFile)
	if err := writeSynced(path+".tmp", append(data, '\n')); err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	return syncDir(dir)
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // has no fsync of a directory
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// Member reports whether a data directory belongs to a cluster, so that the names
// in it are settled.
func Member(dir string) bool {
	id, found, err := loadIdentity(dir)
	return err == nil && found && id.ClusterID != ""
}
