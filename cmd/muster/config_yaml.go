package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	koanfyaml "github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// configText is a configuration file that was read, with the place of each key.
type configText struct {
	content map[string]any
	keys    map[string]configKey // by path, like "master.api-listen"
}

// configKey is where a key stands, and its value as it was written.
type configKey struct {
	line  int
	value *yaml.Node
}

// parseConfig reads YAML as settings do; what is wrong with it is in the findings.
func parseConfig(text []byte) (configText, []finding) {
	c := configText{content: map[string]any{}, keys: map[string]configKey{}}
	k, err := readYAML(text)
	if err != nil {
		return c, yamlFindings(err)
	}
	c.content = k.Raw()
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err == nil && len(doc.Content) == 1 {
		c.index(doc.Content[0], "", 0)
	}
	return c, nil
}

// readYAML reads a file of one document.
func readYAML(text []byte) (*koanf.Koanf, error) {
	k := koanf.New(noDelimiter)
	if err := k.Load(rawText(text), koanfyaml.Parser()); err != nil {
		return nil, err //nolint:wrapcheck // the caller says what could not be read
	}
	documents := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := documents.Decode(&doc); errors.Is(err, io.EOF) {
		return k, nil
	}
	if err := documents.Decode(&doc); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one document in it, and only the first would count; remove the line with ---")
	}
	return k, nil
}

// maxNesting is more than the commands of muster have.
const maxNesting = 8

// index notes the keys of a section and of those in it. What an alias or a merge
// brings has no line of its own.
func (c *configText) index(section *yaml.Node, prefix string, depth int) {
	if section.Kind != yaml.MappingNode || depth > maxNesting {
		return
	}
	for i := 0; i+1 < len(section.Content); i += 2 {
		key, value := section.Content[i], section.Content[i+1]
		c.keys[prefix+key.Value] = configKey{line: key.Line, value: value}
		c.index(value, prefix+key.Value+".", depth+1)
	}
}

// place is where cmd's setting key stands: in the section that is nearest to cmd.
func (c *configText) place(cmd *cobra.Command, key string) configKey {
	prefix, found := "", c.keys[key]
	for _, parent := range lineage(cmd) {
		prefix += parent.Name() + "."
		if k, ok := c.keys[prefix+key]; ok {
			found = k
		}
	}
	return found
}

// sections are the roles that the file has a section for.
func (c *configText) sections() []string {
	var roles []string
	for _, role := range configRoles {
		if _, ok := c.content[role].(map[string]any); ok {
			roles = append(roles, role)
		}
	}
	return roles
}

// topKeys are the keys at the top, sorted.
func (c *configText) topKeys() []string { return slices.Sorted(maps.Keys(c.content)) }

// rawText is a koanf.Provider.
type rawText []byte

// ReadBytes returns the text.
func (t rawText) ReadBytes() ([]byte, error) { return t, nil }

// Read is what providers of maps do.
func (rawText) Read() (map[string]any, error) { return nil, errors.New("it is text") }

var (
	yamlValue = regexp.MustCompile("(?s)`.*`|\"[^\"]*\"|'[^']*'")
	keyTwice  = regexp.MustCompile(`mapping key "[a-z-]{1,30}" already defined at line \d+$`)
	yamlLine  = regexp.MustCompile(`(?:yaml: )?line (\d+): (.*)`)
)

// yamlFindings are what the YAML parser says, one finding for each line of it.
func yamlFindings(err error) []finding {
	var all []finding
	lines := strings.Split(err.Error(), "\n")
	if several, ok := errors.AsType[*yaml.TypeError](err); ok {
		lines = several.Errors
	}
	for _, text := range lines {
		// What stands in the file is not repeated: it may be another one, with secrets.
		if !keyTwice.MatchString(text) {
			text = yamlValue.ReplaceAllString(text, "something")
		}
		f := finding{Message: "it can't be read as YAML: " + text}
		if m := yamlLine.FindStringSubmatch(text); m != nil {
			f.Line, _ = strconv.Atoi(m[1]) // digits
			f.Message = fmt.Sprintf("it can't be read as YAML: %s", m[2])
		}
		all = append(all, f)
	}
	return all
}
