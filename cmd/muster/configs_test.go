package main

import (
	"context"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// filledIn are example values for the words in the templates of cloud-init.
func filledIn() *strings.Replacer {
	return strings.NewReplacer(
		"@HOSTNAME@", "muster-m1", "@ID@", "m1", "@ADDRESS@", "10.0.0.1", "@SLOTS@", "4",
		"@FOUNDERS@", "m1=10.0.0.1:7101=http://10.0.0.1:8101,m2=10.0.0.2:7101=http://10.0.0.2:8101,m3=10.0.0.3:7101=http://10.0.0.3:8101",
		"@MASTERS@", "http://10.0.0.1:8101,http://10.0.0.2:8101,http://10.0.0.3:8101",
		"@SSH_KEYS@", "# none", "@PACKAGE@", "muster.deb", "@SHA256@", "0",
	)
}

// TestTheConfigsOfCloudInit validates the files that the templates write.
func TestTheConfigsOfCloudInit(t *testing.T) {
	for _, role := range configRoles {
		page := "../../scripts/cloud-init/user-data." + role
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		var userData struct {
			WriteFiles []struct{ Path, Content string } `yaml:"write_files"` //nolint:tagliatelle // cloud-init's
		}
		if err := yaml.Unmarshal([]byte(filledIn().Replace(string(text))), &userData); err != nil {
			t.Fatalf("%s: %v", page, err)
		}
		found := 0
		for _, f := range userData.WriteFiles {
			if strings.HasSuffix(f.Path, ".yaml") {
				found++
				isFine(t, page+" "+f.Path, f.Content, true)
			}
		}
		if found != 1 {
			t.Errorf("%s has %d configurations", page, found)
		}
	}
}

// isFine wants a configuration without mistakes, on a machine that knows every
// name and has every address that it advertises. A whole one has no warnings
// either; one that is not may lack settings.
func isFine(t *testing.T, where, text string, whole bool) {
	t.Helper()
	m := testMachine(func(m *machine) {
		m.resolve = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
		}
		for _, ip := range regexp.MustCompile(`-?advertise: "?(?:http://)?\[?([0-9a-f.:]+?)\]?:\d+`).FindAllStringSubmatch(text, -1) {
			m.addresses = append(m.addresses, addresses("eth0 "+ip[1])...)
		}
	})
	wrong, warnings := checkText(m, nil, text)
	if whole {
		wrong = append(wrong, warnings...)
	} else {
		wrong = slices.DeleteFunc(wrong, func(s string) bool { return strings.Contains(s, ": is missing: ") })
	}
	if len(wrong) > 0 {
		t.Errorf("%s: %s\nin\n%s", where, strings.Join(wrong, "\n"), text)
	}
}

var (
	yamlBlocks  = regexp.MustCompile("(?ms)^ *```yaml\n(.*?)^ *```")
	roleSection = regexp.MustCompile(`(?m)^(master|slave): *(#.*)?$`)
)

// TestTheConfigsOfTheDocs validates every block of YAML in docs/ that has a section
// for a master or a slave.
func TestTheConfigsOfTheDocs(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../../docs", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err //nolint:wrapcheck // it names the file
		}
		for _, block := range yamlBlocks.FindAllStringSubmatch(string(text), -1) {
			if roleSection.MatchString(block[1]) {
				found++
				isFine(t, path, block[1], false)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 2 {
		t.Errorf("only %d blocks; docs/configuration.md alone has 2", found)
	}
}
