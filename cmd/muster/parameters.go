package main

import (
	"strings"

	"muster/api/client"
)

// parseLabels reads a flag that is given as NAME=VALUE. What else is wrong with them
// the masters say.
func parseLabels(flag string, list []string) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil //nolint:nilnil // no labels
	}
	out := map[string]string{}
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if _, twice := out[name]; !ok || name == "" || twice {
			return nil, usagef("%s %q is not NAME=VALUE, like zone=eu-1, with a name of its own", flag, text)
		}
		out[name] = value
	}
	return out, nil
}

// parseParameters reads -p NAME=VALUE.
func parseParameters(list []string) (client.Parameters, error) {
	var out client.Parameters
	seen := map[string]bool{}
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		name = strings.TrimSpace(name)
		switch {
		case !ok || name == "":
			return nil, usagef("-p %q is not NAME=VALUE, like x=4", text)
		case seen[name]:
			return nil, usagef("-p gives %q twice", name)
		}
		seen[name] = true
		out = append(out, client.Parameter(name, value))
	}
	return out, nil
}
