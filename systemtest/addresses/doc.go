// Package addresses tests what docs/deploy/addresses.md says: the real binary, on
// hosts of its own. Each host is a network namespace with addresses, a hosts file and
// a firewall of its own; a bridge in another namespace joins them. So the tests need
// Linux, root, and the commands ip, unshare, nft and nginx.
//
// Nothing here leaves the machine: the namespaces have no way out.
package addresses
