package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

const configurationPage = "../../docs/configuration.md"

var (
	settingsTables = regexp.MustCompile(`(?s)<!-- settings of (\w+), from the flags -->\n(.*?)<!-- end -->`)
	fileBlocks     = regexp.MustCompile("(?s)```yaml title=(\\S+)\n(.*?)```")
)

// settingsTable is the table of flags that the page must have. Table 'all' is of
// the flags that every command has.
func settingsTable(t *testing.T, of string) string {
	t.Helper()
	role := of
	if of == "all" {
		role = "master"
	}
	cmd, _, err := fresh(role)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| setting | default | variable | what it means |\n|---|---|---|---|\n")
	row := func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		text := "-"
		if d := strings.Trim(defaultText(f), "[]"); d != "" {
			text = "`" + d + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s%s` | %s |\n", f.Name, text, envPrefix, variable(f.Name), f.Usage)
	}
	if of == "all" {
		cmd.Root().PersistentFlags().VisitAll(row)
		return b.String()
	}
	own := cmd.LocalNonPersistentFlags()
	own.SortFlags = false
	own.VisitAll(row)
	return b.String()
}

// TestConfigurationMdHasEverySetting holds the page's tables against the flags.
// MUSTER_WRITE_DOCS=1 writes them instead.
func TestConfigurationMdHasEverySetting(t *testing.T) {
	text, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("MUSTER_WRITE_DOCS") != "" {
		text = settingsTables.ReplaceAllFunc(text, func(block []byte) []byte {
			of := string(settingsTables.FindSubmatch(block)[1])
			return fmt.Appendf(nil, "<!-- settings of %s, from the flags -->\n%s<!-- end -->", of, settingsTable(t, of))
		})
		if err := os.WriteFile(configurationPage, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tables := settingsTables.FindAllStringSubmatch(string(text), -1)
	if len(tables) != 3 {
		t.Errorf("%d tables; want those of master, slave and all", len(tables))
	}
	for _, table := range tables {
		if want := settingsTable(t, table[1]); table[2] != want {
			t.Errorf("the table of %s is\n%s\nbut the flags are\n%s\n(MUSTER_WRITE_DOCS=1 go test -run ConfigurationMd ./cmd/muster writes it)", table[1], table[2], want)
		}
	}
}

// TestTheExamplesOfConfigurationMd types every command of docs/configuration.md on
// node-1, beside the files that the page shows. Those that are wrong say so.
func TestTheExamplesOfConfigurationMd(t *testing.T) {
	all := examples(t, configurationPage)
	text, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, file := range fileBlocks.FindAllStringSubmatch(string(text), -1) {
		if err := os.WriteFile(file[1], []byte(file[2]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < 6 {
		t.Errorf("only %d examples", len(all))
	}
	for _, x := range all {
		o := musterOn(t, testMachine(nil), nil, commandWords(x.command)[1:]...)
		code := exitOK
		if strings.Contains(x.command, "wrong") {
			code = exitUsage
		}
		if o.code != code || !shows(x.want, o.stdout) {
			t.Errorf("%s exits with %d and prints\n%s%s\nand not\n%s", x.command, o.code, o.stdout, o.stderr, x.want)
		}
	}
}
