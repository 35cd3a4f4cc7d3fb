package main

import (
	"cmp"
	"slices"
	"strings"

	"muster/api/client"
	"muster/cmd/app"
)

// parseLabels reads the NAME=VALUEs of a flag that may be given several times. The
// value may be empty, and may contain a =.
func parseLabels(flag string, list []string) (client.Labels, error) {
	var out client.Labels
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usagef("%s %q is not NAME=VALUE, like gpu=yes", flag, text)
		}
		out = append(out, client.Label{Name: name, Value: value})
	}
	slices.SortFunc(out, func(a, b client.Label) int { return cmp.Compare(a.Name, b.Name) })
	for i := 1; i < len(out); i++ {
		if out[i-1].Name == out[i].Name {
			return nil, usagef("%s gives %q twice", flag, out[i].Name)
		}
	}
	if err := app.CheckLabels(out); err != nil {
		return nil, usagef("%s %w", flag, err)
	}
	return out, nil
}

// labelText is how tables show labels.
func labelText(labels client.Labels) string {
	if len(labels) == 0 {
		return "-"
	}
	parts := make([]string, len(labels))
	for i, l := range labels {
		parts[i] = l.Name + "=" + l.Value
	}
	return strings.Join(parts, " ")
}
