package main

import (
	"strings"

	"muster/api/client"
)

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
