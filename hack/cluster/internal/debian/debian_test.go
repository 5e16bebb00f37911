package debian

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func touch(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLookFindsTheNewestWholeFolder(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	if b, ok := c.Look("redis-server"); ok {
		t.Fatalf("an empty cache holds %+v", b)
	}
	older, newer := filepath.Join(c.Dir, prefix("redis-server")+"7.0.9"), filepath.Join(c.Dir, prefix("redis-server")+"7.0.15-1")
	touch(t, filepath.Join(older, "redis-server_5%3a7.0.9_amd64.deb"), filepath.Join(newer, "libc6_2.36_amd64.deb"),
		filepath.Join(c.Dir, prefix("redis-server-other")+"1", "other.deb"), filepath.Join(c.Dir, ".downloading-redis-server-1", "a.deb"))
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(older, past, past); err != nil {
		t.Fatal(err)
	}
	b, ok := c.Look("redis-server")
	if !ok || !b.Cached || b.Version != "7.0.15-1" || len(b.Files) != 1 {
		t.Errorf("found %+v (%t), want the newer folder", b, ok)
	}
}

func TestVersionIn(t *testing.T) {
	for file, want := range map[string]string{
		"redis-server_5%3a7.0.15-1~deb12u10_amd64.deb": "7.0.15-1~deb12u10",
		"redis-server_3.10.8-1.1+deb12u1_all.deb":      "3.10.8-1.1+deb12u1",
		"redis-server_2.0.11-1.2+deb12u2+b1_amd64.deb": "2.0.11-1.2+deb12u2+b1",
	} {
		dir := t.TempDir()
		touch(t, filepath.Join(dir, file), filepath.Join(dir, "redis-server-extra_1_all.deb"))
		if got, err := versionIn(dir, "redis-server"); err != nil || got != want {
			t.Errorf("%s has version %q (%v), want %q", file, got, err, want)
		}
	}
	if _, err := versionIn(t.TempDir(), "redis-server"); err == nil {
		t.Error("a download without the package itself is accepted")
	}
}

func TestNeeded(t *testing.T) {
	b := Bundle{Files: []string{
		"/c/adduser_3.134_all.deb", "/c/libc6_2.36_amd64.deb", "/c/libfile-find-rule-perl_0.34_all.deb", "/c/libperl5.36_5.36_amd64.deb",
		"/c/libpam0g_1.5_amd64.deb", "/c/python3_3.11_amd64.deb", "/c/redis-tools_5%3a7_amd64.deb",
	}}
	want := []string{"/c/libc6_2.36_amd64.deb", "/c/libpam0g_1.5_amd64.deb", "/c/redis-tools_5%3a7_amd64.deb"}
	if got := b.Needed(); !slices.Equal(got, want) {
		t.Errorf("needed are %v, want %v", got, want)
	}
	if len(b.Files) != 7 {
		t.Error("asking changed the bundle")
	}
}
