package images

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
)

// Fingerprint tells without reading any of its files whether an image would be the same as before: their names, sizes and times stand for
// their content. The program that assembles is not in it.
func (s Spec) Fingerprint() (string, error) {
	files := append([]string(nil), s.Packages...)
	for _, to := range sorted(s.Files) {
		files = append(files, s.Files[to])
	}
	if !s.Bare {
		files = append(files, certificates)
	}
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(s); err != nil {
		return "", fmt.Errorf("comparing %s: %w", s.Repository, err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return "", fmt.Errorf("comparing %s: %w", s.Repository, err)
		}
		_, _ = fmt.Fprintln(h, info.Size(), info.ModTime().UnixNano())
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}
