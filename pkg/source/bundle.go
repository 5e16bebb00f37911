// SPDX-License-Identifier: Apache-2.0

package source

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// The limits of a bundle, unpacked.
const (
	maxBundleBytes = 2 << 30
	maxBundleFiles = 200_000
)

// Bundle is an image whose layers hold source.
type Bundle struct {
	// Image is the reference of the image.
	Image string
	// InsecureRegistries may be spoken to without TLS.
	InsecureRegistries []string
	// Keychain finds the credentials of a registry; by default those of DOCKER_CONFIG.
	Keychain authn.Keychain
}

func (b *Bundle) fetch(ctx context.Context, dest string, progress io.Writer) (Result, error) {
	ref, err := ImageReference(b.Image, b.InsecureRegistries)
	if err != nil {
		return Result{}, err
	}
	fmt.Fprintf(progress, "Fetching bundle %s\n", ref)
	keychain := b.Keychain
	if keychain == nil {
		keychain = authn.DefaultKeychain
	}
	image, err := remote.Image(ref, remote.WithContext(ctx), remote.WithAuthFromKeychain(keychain))
	if err != nil {
		return Result{}, bundleFailure(ref, err)
	}
	digest, err := image.Digest()
	if err != nil {
		return Result{}, bundleFailure(ref, err)
	}
	files := mutate.Extract(image)
	defer files.Close()
	count, err := unpack(files, dest)
	if err != nil {
		return Result{}, err
	}
	fmt.Fprintf(progress, "Fetched bundle %s: %d files\n", digest, count)
	return Result{BundleDigest: digest.String()}, nil
}

// ImageReference parses the reference of an image whose registry may be one that is spoken to without TLS.
func ImageReference(image string, insecure []string) (name.Reference, error) {
	ref, err := name.ParseReference(image)
	if err != nil {
		return nil, failure(InvalidSource, "image reference %q cannot be read: %s", image, oneLine(err.Error()))
	}
	if slices.Contains(insecure, ref.Context().RegistryStr()) {
		return name.ParseReference(image, name.Insecure)
	}
	return ref, nil
}

func bundleFailure(ref name.Reference, err error) error {
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		switch answer.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			return failure(AuthenticationFailed,
				"registry %s refused access to bundle %s: give imageCredentials a Secret that may pull it", ref.Context().RegistryStr(), ref)
		case http.StatusNotFound:
			return failure(BundleNotFound, "bundle %s does not exist: check the image name and its tag", ref)
		}
	}
	return failure(ServerUnreachable, "cannot fetch bundle %s: %s", ref, oneLine(err.Error()))
}

// unpack writes the files of a tar stream below dest and returns how many there were.
func unpack(stream io.Reader, dest string) (int, error) {
	root, err := os.OpenRoot(dest)
	if err != nil {
		return 0, failure(FetchFailed, "cannot open the source folder: %v", err)
	}
	defer root.Close()

	count, left := 0, int64(maxBundleBytes)
	for archive := tar.NewReader(stream); ; count++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return count, nil
		}
		if err != nil {
			return 0, failure(FetchFailed, "cannot read the bundle: %s", oneLine(err.Error()))
		}
		if left -= header.Size; left < 0 || count == maxBundleFiles {
			return 0, failure(InvalidSource, "bundle is larger than %d bytes or %d files", maxBundleBytes, maxBundleFiles)
		}
		if err := unpackEntry(root, header, archive); err != nil {
			return 0, err
		}
	}
}

func unpackEntry(root *os.Root, header *tar.Header, content io.Reader) error {
	to, err := bundlePath(header.Name)
	if err != nil {
		return err
	}
	if to == "." {
		return nil
	}
	if err := root.MkdirAll(path.Dir(to), 0o777); err != nil {
		return failure(InvalidSource, "bundle file %q cannot be unpacked: %v", header.Name, err)
	}
	switch header.Typeflag {
	case tar.TypeDir:
		err = root.MkdirAll(to, 0o777)
	case tar.TypeReg:
		err = writeFile(root, to, header.FileInfo().Mode(), content)
	case tar.TypeSymlink:
		if target := path.Join(path.Dir(to), header.Linkname); path.IsAbs(header.Linkname) || !fs.ValidPath(target) {
			return failure(InvalidSource, "bundle has a symbolic link %q that leaves it, to %q", header.Name, header.Linkname)
		}
		err = root.Symlink(header.Linkname, to)
	case tar.TypeLink:
		var from string
		if from, err = bundlePath(header.Linkname); err == nil {
			err = root.Link(from, to)
		}
	default:
		return failure(InvalidSource, "bundle file %q is neither a file, a folder nor a link", header.Name)
	}
	if err != nil {
		return failure(InvalidSource, "bundle file %q cannot be unpacked: %v", header.Name, err)
	}
	return nil
}

func writeFile(root *os.Root, to string, mode fs.FileMode, content io.Reader) error {
	file, err := root.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666|mode&0o111)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// bundlePath turns the name of a tar entry into a path below the source folder.
func bundlePath(entry string) (string, error) {
	if slices.Contains(strings.Split(entry, "/"), "..") {
		return "", failure(InvalidSource, "bundle file %q would leave the source folder", entry)
	}
	clean := strings.TrimPrefix(path.Clean("/"+entry), "/")
	if clean == "" {
		return ".", nil
	}
	if !fs.ValidPath(clean) || strings.ContainsRune(clean, 0) {
		return "", failure(InvalidSource, "bundle file %q has a name that cannot be used", entry)
	}
	return clean, nil
}
