package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// envPrefix begins every variable that muster reads: --api-listen is
// MUSTER_API_LISTEN.
const envPrefix = "MUSTER_"

// noDelimiter joins koanf's keys; flags' names don't contain it.
const noDelimiter = "\x00"

// applySettings gives the flags of cmd that the command line left out the value
// of their variable, or of the file that --config names. A value goes through
// the flag's own parser, wherever it comes from.
func applySettings(cmd *cobra.Command, environ []string) error {
	flags := cmd.Flags()
	fromEnv, err := readEnvironment(environ)
	if err != nil {
		return err
	}
	path := flags.Lookup("config").Value.String()
	if !flags.Changed("config") && fromEnv.Exists("config") {
		path = fromEnv.String("config")
	}
	fromFile := koanf.New(noDelimiter)
	if path != "" {
		if fromFile, err = readFile(cmd, path); err != nil {
			return err
		}
	}
	return setFlags(cmd, fromFile, fromEnv, path)
}

// applyEnvironment is applySettings without a file.
func applyEnvironment(cmd *cobra.Command, environ []string) error {
	fromEnv, err := readEnvironment(environ)
	if err != nil {
		return err
	}
	return setFlags(cmd, koanf.New(noDelimiter), fromEnv, "")
}

// onlyTyped marks flags that neither a variable nor a file can set.
const onlyTyped = "muster_only_typed"

// setFlags gives the flags of cmd their values, and tells every one that a flag
// does not take.
func setFlags(cmd *cobra.Command, fromFile, fromEnv *koanf.Koanf, path string) error {
	flags := cmd.Flags()
	all := koanf.New(noDelimiter)
	for _, source := range []*koanf.Koanf{fromFile, fromEnv} {
		if err := all.Merge(source); err != nil {
			return fmt.Errorf("join the settings: %w", err)
		}
	}
	// Flags of the command line win; the others keep their defaults only where
	// nothing else was said.
	if err := all.Load(posflag.Provider(flags, noDelimiter, all), nil); err != nil {
		return fmt.Errorf("read the flags: %w", err)
	}

	var wrong []error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Annotations[onlyTyped] != nil || !fromEnv.Exists(f.Name) && !fromFile.Exists(f.Name) {
			return
		}
		source := envPrefix + variable(f.Name)
		if !fromEnv.Exists(f.Name) {
			source = fmt.Sprintf("%q in %s", f.Name, path)
		}
		if err := setFlag(flags, f, all.Get(f.Name)); err != nil {
			wrong = append(wrong, &exitError{exitUsage, &settingError{key: f.Name, err: err, said: fmt.Sprintf("%s: %v", source, err)}})
		}
	})
	return errors.Join(wrong...)
}

func variable(flag string) string {
	return strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// readEnvironment returns the MUSTER_… variables under the names of their flags.
// Those of no flag of this command are somebody else's.
func readEnvironment(environ []string) (*koanf.Koanf, error) {
	k := koanf.New(noDelimiter)
	provider := env.Provider(noDelimiter, env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			if value == "" {
				return "", nil // as if it were not set
			}
			return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, envPrefix), "_", "-")), value
		},
	})
	if err := k.Load(provider, nil); err != nil {
		return nil, fmt.Errorf("read the environment: %w", err)
	}
	return k, nil
}

// readFile returns what the file says to cmd.
func readFile(cmd *cobra.Command, path string) (*koanf.Koanf, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("read the configuration file (--config): %w", err)
	}
	whole, err := readYAML(text)
	if err != nil {
		var wrong []error
		for _, f := range yamlFindings(err) {
			wrong = append(wrong, usagef("read the configuration file (--config): %s", f.text(path, "")))
		}
		return nil, errors.Join(wrong...)
	}
	content := whole.Raw()
	if err := checkKeys(cmd.Root(), content, path); err != nil {
		return nil, err
	}
	return partOf(cmd, content, path)
}

// partOf returns what a file says to cmd. Its keys are the names of flags, at the
// top for all commands, or below the name of a command for this one and those
// under it:
//
//	address: [http://10.0.0.1:8101, http://10.0.0.2:8101]
//	slave:
//	  slots: 4
func partOf(cmd *cobra.Command, content map[string]any, path string) (*koanf.Koanf, error) {
	k := koanf.New(noDelimiter)
	// From the outermost in: what stands closer to the command wins.
	layers := []map[string]any{topLevel(content)}
	section := content
	for _, c := range lineage(cmd) {
		section, _ = section[c.Name()].(map[string]any)
		layers = append(layers, topLevel(section))
	}
	for _, layer := range layers {
		if err := k.Load(confmap.Provider(layer, noDelimiter), nil); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
	}
	return k, nil
}

// lineage is cmd and its parents, from below the root to cmd.
func lineage(cmd *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for c := cmd; c.HasParent(); c = c.Parent() {
		out = append(out, c)
	}
	slices.Reverse(out)
	return out
}

// topLevel is a section without the sections in it.
func topLevel(section map[string]any) map[string]any {
	out := map[string]any{}
	for key, value := range section {
		if _, nested := value.(map[string]any); !nested {
			out[key] = value
		}
	}
	return out
}

// setFlag gives a flag a value of the file or the environment, by the flag's own
// parser.
func setFlag(flags *pflag.FlagSet, f *pflag.Flag, value any) error {
	list, isList := value.([]any)
	slice, takesList := f.Value.(pflag.SliceValue)
	if !isList || !takesList {
		text, err := settingText(value)
		if err != nil {
			return err
		}
		return flags.Set(f.Name, text) //nolint:wrapcheck // the caller says where the value is from
	}
	texts := make([]string, len(list))
	for i, element := range list {
		text, err := settingText(element)
		if err != nil {
			return err
		}
		texts[i] = text
	}
	f.Changed = true
	return slice.Replace(texts) //nolint:wrapcheck // as above
}

// settingText returns a value as the command line would have it.
func settingText(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", errors.New("has no value")
	case []any, map[string]any:
		return "", errors.New("takes one value")
	default:
		return fmt.Sprint(v), nil
	}
}
