package cluster

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestIdentitySurvivesAndUpdatesAtOnce(t *testing.T) {
	dir := t.TempDir()
	if _, found, err := loadIdentity(dir); found || err != nil {
		t.Fatalf("of an empty directory: %v, %v", found, err)
	}
	s := &identityStore{dir: dir, current: newIdentity("m1")}
	err := s.update(func(i *identity) {
		i.Founders = []foundingRow{{ID: "m1", DiskID: i.DiskID, RaftAddress: "r1", APIURL: "u1"}}
		i.ClusterID = clusterID(i.Founders)
		i.Joining = &joiningRow{ClusterID: "c", Since: 7}
	})
	if err != nil {
		t.Fatal(err)
	}
	loaded, found, err := loadIdentity(dir)
	if err != nil || !found || !reflect.DeepEqual(loaded, s.get()) {
		t.Errorf("loaded %+v, %v, %v\nwant %+v", loaded, found, err, s.get())
	}
	if loaded.member() {
		t.Error("a member before its log was written")
	}
}

func TestAnIdentityThatIsNotUnderstoodIsRefused(t *testing.T) {
	for content, want := range map[string]string{"{": "identity.json", `{"version":9,"id":"m1"}`: "version 9"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, identityFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := loadIdentity(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", content, err, want)
		}
	}
}

func TestTheClusterIDIsThatOfTheDisks(t *testing.T) {
	a, b := foundingRow{ID: "a", DiskID: "1"}, foundingRow{ID: "b", DiskID: "2"}
	id := clusterID([]foundingRow{a, b})
	if clusterID([]foundingRow{b, a}) != id {
		t.Error("depends on the order")
	}
	b.RaftAddress = "elsewhere"
	if clusterID([]foundingRow{a, b}) != id {
		t.Error("depends on the addresses")
	}
	b.DiskID = "3"
	if clusterID([]foundingRow{a, b}) == id {
		t.Error("does not depend on the disk")
	}
}

// TestANewMasterGetsAName that can be written everywhere; one that has a data
// directory keeps the name that it has.
func TestANewMasterGetsAName(t *testing.T) {
	for _, id := range []string{"a/b", "..", "a b"} {
		dir := t.TempDir()
		n := &Node{cfg: Config{ID: id, DataDir: dir}}
		s, err := n.openStore()
		if err != nil {
			t.Fatal(err)
		}
		n.store = s
		if _, err := n.openIdentity(); err == nil || !strings.Contains(err.Error(), "is not a name; it takes") {
			t.Errorf("%q: %v", id, err)
		}
		old := newIdentity(id)
		old.ClusterID = "c"
		if Member(dir) {
			t.Errorf("%q belongs to a cluster", id)
		}
		if err := writeIdentity(dir, old); err != nil {
			t.Fatal(err)
		}
		if _, err := n.openIdentity(); err != nil || !Member(dir) {
			t.Errorf("%q, from before: %v", id, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
