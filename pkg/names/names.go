// SPDX-License-Identifier: Apache-2.0

package names

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

const (
	// MaxLength is the longest DNS label (RFC 1123, section 2.1).
	MaxLength = 63
	// hashLength is how many hexadecimal digits tell two names or specs apart.
	hashLength = 10
)

// Child returns "<parent>--<part>": the name of an object that is made beside the parent under a fixed part. With two dashes it is not what a user
// calls something by chance, and the API refuses a Function that ends in one of our parts; so no two parents have a child of one name, and no child has
// the name of a parent. A name that would not fit into MaxLength has the parent cut short, a hash of the whole parent and one dash more. No parent ends
// in a dash, so that this too is the child of no other. The part is kept whole; it has no two dashes in a row and at most 48 characters.
func Child(parent, part string) string { return ChildWithin(MaxLength, parent, part) }

// ChildWithin is Child for objects from whose names others make longer ones: it returns at most length characters. The part must leave room
// for 15.
func ChildWithin(length int, parent, part string) string { return join(length, parent, "--", part) }

// WithHash returns "<parent>-<hash>", with one dash, since a hash is not what somebody calls a thing. It is cut short as Child is.
func WithHash(parent, hash string) string { return join(MaxLength, parent, "-", hash) }

func join(length int, parent, joint, part string) string {
	if name := parent + joint + part; len(name) <= length {
		return name
	}
	rest := "-" + digest([]byte(parent)) + joint + "-" + part
	return strings.TrimRight(parent[:min(len(parent), length-len(rest))], "-.") + rest
}

// Hashed returns "<parent>-<hash>" in which the hash covers the canonical JSON of value.
func Hashed(parent string, value any) (string, error) {
	hash, err := Hash(value)
	if err != nil {
		return "", err
	}
	return WithHash(parent, hash), nil
}

// Hash returns the first ten hexadecimal digits of the SHA-256 of the canonical JSON of value: keys sorted, nulls and
// absent fields alike. Two specs that mean the same therefore have the same hash, whatever order a user wrote them in.
func Hash(value any) (string, error) {
	canonical, err := Canonical(value)
	if err != nil {
		return "", err
	}
	return digest(canonical), nil
}

// HashTree is Hash of what Tree returned, without making another tree of it.
func HashTree(tree any) (string, error) {
	canonical, err := json.Marshal(tree)
	if err != nil {
		return "", fmt.Errorf("encoding a value to hash: %w", err)
	}
	return digest(canonical), nil
}

// Canonical returns the JSON of value with sorted keys and without nulls.
func Canonical(value any) ([]byte, error) {
	tree, err := Tree(value)
	if err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

// Tree returns value as JSON values (encoding/json's for an interface) without nulls.
func Tree(value any) (any, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encoding a value to hash: %w", err)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, fmt.Errorf("decoding a value to hash: %w", err)
	}
	return withoutNulls(tree), nil
}

func withoutNulls(tree any) any {
	switch node := tree.(type) {
	case map[string]any:
		for key, value := range node {
			if value == nil {
				delete(node, key)
				continue
			}
			node[key] = withoutNulls(value)
		}
	case []any:
		for i := range node {
			node[i] = withoutNulls(node[i])
		}
	}
	return tree
}

// Label returns value as a label value: at most 63 characters of [A-Za-z0-9._-], beginning and ending with a letter or
// digit. A value that had to be changed ends in a hash of the original, so that two values never become one.
func Label(value string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		default:
			return '-'
		}
	}, value)
	clean = strings.Trim(clean, "-._")
	if clean == value && len(clean) <= MaxLength {
		return clean
	}
	head := strings.TrimRight(clean[:min(len(clean), MaxLength-hashLength-1)], "-._")
	if head == "" {
		return digest([]byte(value))
	}
	return head + "-" + digest([]byte(value))
}

func digest(of []byte) string {
	sum := sha256.Sum256(of)
	return hex.EncodeToString(sum[:])[:hashLength]
}
