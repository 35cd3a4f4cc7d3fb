module muster

go 1.26.0

// Raft and its store. These versions build together and are raised together:
// raft v1.8.0 and raft-boltdb v2.3.1 do not compile side by side, because
// go-metrics v0.7.0, which raft v1.8.0 requires, dropped the package that
// raft-boltdb imports. Before raising one of them, build and run the system
// tests; the store's options in package cluster are tuned to bbolt v1.5.
require (
	// raft logs to it; bridged to log/slog
	github.com/hashicorp/go-hclog v1.6.3
	// what raft and raft-boltdb both count with; held at the last version that has the package they share
	github.com/hashicorp/go-metrics v0.6.1 // indirect
	// consensus, with membership changes, snapshots, and a transport that tests can replace
	github.com/hashicorp/raft v1.7.3
	// raft's log and vote on disk, with fsync, in one file
	github.com/hashicorp/raft-boltdb/v2 v2.3.1
	// the file under raft-boltdb: its options (lock time-out, free list) are set by us
	go.etcd.io/bbolt v1.5.0
)

// Evaluates expressions with parameters and functions. It is archived and this
// is its last code; its last release, v3.0.0, panics on unknown names. Only
// slave/evaluate imports it, behind a lexer of our own and in a child process.
require github.com/Knetic/govaluate v3.0.1-0.20171022003610-9aa49832a739+incompatible

// The state machine and the log.
require (
	// ordered maps with an O(1) copy: a View and a snapshot cost nothing
	github.com/tidwall/btree v1.8.2
	// the log's encoding: numbered fields that old entries keep for ever; unknown ones can be seen and refused
	google.golang.org/protobuf v1.36.12
)

// HTTP.
require (
	// tests hold every answer against api/openapi.yaml with it
	github.com/getkin/kin-openapi v0.152.0
	// the API's router
	github.com/gin-gonic/gin v1.12.0
	// what the generated client encodes its parameters with
	github.com/oapi-codegen/runtime v1.8.0
	// /metrics, with an injected registry
	github.com/prometheus/client_golang v1.25.0
)

// The command line.
require (
	// tables; kept up, and it measures wide characters right
	github.com/jedib0t/go-pretty/v6 v6.8.3
	// the configuration file is YAML
	github.com/knadh/koanf/parsers/yaml v1.1.1
	// koanf: defaults
	github.com/knadh/koanf/providers/confmap v1.0.1
	// koanf: MUSTER_… variables
	github.com/knadh/koanf/providers/env/v2 v2.0.2
	// koanf: flags
	github.com/knadh/koanf/providers/posflag v1.0.2
	// flag > environment > file > default, without global state
	github.com/knadh/koanf/v2 v2.4.1
	// the bar of submit -f; kept up, one small package
	github.com/schollz/progressbar/v3 v3.19.1
	// commands, help and shell completion
	github.com/spf13/cobra v1.10.2
	// cobra's flags, read by koanf
	github.com/spf13/pflag v1.1.0
	// what koanf's YAML parser parses with; its nodes say on which line of a configuration file a mistake is
	go.yaml.in/yaml/v3 v3.0.5
)

// Next to the standard library.
require (
	// nettest holds the connections of systemtest/simnet against the rules of net.Conn
	golang.org/x/net v0.59.0
	// free disk space, process limits, on each platform
	golang.org/x/sys v0.49.0
	// single keys and the terminal's width in the demo; whether to show progress
	golang.org/x/term v0.47.0
)

// Tests.
// fails a test that leaves a goroutine behind
require go.uber.org/goleak v1.3.0

require (
	github.com/apapsch/go-jsonmerge/v2 v2.0.0 // indirect
	github.com/armon/go-metrics v0.4.1 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/boltdb/bolt v1.3.1 // indirect
	github.com/bytedance/gopkg v0.1.3 // indirect
	github.com/bytedance/sonic v1.15.0 // indirect
	github.com/bytedance/sonic/loader v0.5.0 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/cloudwego/base64x v0.1.6 // indirect
	github.com/cpuguy83/go-md2man/v2 v2.0.6 // indirect
	github.com/fatih/color v1.13.0 // indirect
	github.com/gabriel-vasile/mimetype v1.4.12 // indirect
	github.com/gin-contrib/sse v1.1.0 // indirect
	github.com/go-openapi/jsonpointer v0.22.5 // indirect
	github.com/go-openapi/swag/jsonname v0.25.5 // indirect
	github.com/go-playground/locales v0.14.1 // indirect
	github.com/go-playground/universal-translator v0.18.1 // indirect
	github.com/go-playground/validator/v10 v10.30.1 // indirect
	github.com/go-viper/mapstructure/v2 v2.4.0 // indirect
	github.com/goccy/go-json v0.10.5 // indirect
	github.com/goccy/go-yaml v1.19.2 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/hashicorp/go-immutable-radix v1.3.1 // indirect
	github.com/hashicorp/go-msgpack/v2 v2.1.2 // indirect
	github.com/hashicorp/golang-lru v0.5.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/json-iterator/go v1.1.12 // indirect
	github.com/klauspost/cpuid/v2 v2.3.0 // indirect
	github.com/knadh/koanf/maps v0.1.2 // indirect
	github.com/leodido/go-urn v1.4.0 // indirect
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.22 // indirect
	github.com/mattn/go-runewidth v0.0.16 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/mitchellh/copystructure v1.2.0 // indirect
	github.com/mitchellh/reflectwalk v1.0.2 // indirect
	github.com/modern-go/concurrent v0.0.0-20180306012644-bacd9c7ef1dd // indirect
	github.com/modern-go/reflect2 v1.0.2 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/oasdiff/yaml v0.1.1 // indirect
	github.com/oasdiff/yaml3 v0.0.14 // indirect
	github.com/pelletier/go-toml/v2 v2.2.4 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/quic-go/qpack v0.6.0 // indirect
	github.com/quic-go/quic-go v0.59.0 // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/russross/blackfriday/v2 v2.1.0 // indirect
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // indirect
	github.com/twitchyliquid64/golang-asm v0.15.1 // indirect
	github.com/ugorji/go/codec v1.3.1 // indirect
	go.mongodb.org/mongo-driver/v2 v2.5.0 // indirect
	golang.org/x/arch v0.22.0 // indirect
	golang.org/x/crypto v0.57.0 // indirect
	golang.org/x/text v0.42.0 // indirect
)
