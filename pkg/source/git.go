// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// Git is a git repository and a revision of it.
type Git struct {
	// URL is where the repository is: https, http, ssh, git, or user@host:path.
	URL string
	// Revision is a branch, a tag, or a full or shortened commit. Empty means what the remote's HEAD names.
	Revision string
	// Credentials log in; nil for a public repository.
	Credentials *Credentials
	// RequireKnownHosts refuses ssh servers whose key is not known beforehand.
	RequireKnownHosts bool
	// AllowLocal admits repositories in the file system.
	AllowLocal bool
}

// session is a git repository as it is being fetched.
type session struct {
	*Git
	endpoint *transport.Endpoint
	auth     transport.AuthMethod
	repo     *git.Repository
	origin   *git.Remote
	refs     []*plumbing.Reference
}

// target is what a revision turned out to be.
type target struct {
	hash   plumbing.Hash          // of the commit, zero when it is known only after the history was fetched
	ref    plumbing.ReferenceName // advertised under this name, empty for other commits
	branch string
}

var (
	commitName = regexp.MustCompile(`^[0-9a-f]{4,40}$`)
	protocols  = []string{"https", "http", "ssh", "git"}
)

func (g *Git) fetch(ctx context.Context, dest string, progress io.Writer) (Result, error) {
	fmt.Fprintf(progress, "Fetching %s revision %s\n", Redact(g.URL), oneLine(g.revisionName()))
	r, done, err := g.open(dest, progress)
	if err != nil {
		return Result{}, err
	}
	defer done()

	if err := r.list(ctx); err != nil {
		return Result{}, err
	}
	want, err := r.resolve()
	if err != nil {
		return Result{}, err
	}
	commit, err := r.download(ctx, want)
	if err != nil {
		return Result{}, err
	}
	if err := r.checkout(ctx, commit, progress); err != nil {
		return Result{}, err
	}
	if err := dropGitFolders(dest); err != nil {
		return Result{}, err
	}
	subject, _, _ := strings.Cut(strings.TrimSpace(commit.Message), "\n")
	fmt.Fprintf(progress, "Fetched commit %s by %s: %s\n", commit.Hash.String()[:7], oneLine(commit.Author.Name), oneLine(subject))
	return Result{Commit: commit.Hash.String(), Author: oneLine(commit.Author.Name), Branch: want.branch}, nil
}

func (g *Git) revisionName() string {
	if g.Revision == "" {
		return "HEAD"
	}
	return g.Revision
}

// open readies an empty repository whose history lives beside dest, so that none of it gets into the function's image.
func (g *Git) open(dest string, progress io.Writer) (*session, func(), error) {
	endpoint, err := transport.NewEndpoint(g.URL)
	if err != nil || g.URL == "" {
		return nil, nil, failure(InvalidSource, "git URL %s cannot be read: use https://host/path, ssh://git@host/path or git@host:path", Redact(g.URL))
	}
	if local := endpoint.Protocol == "file"; !slices.Contains(protocols, endpoint.Protocol) && (!local || !g.AllowLocal) {
		return nil, nil, failure(InvalidSource, "git URL %s must use one of %s", Redact(g.URL), list(protocols))
	}
	auth, err := g.auth(endpoint, progress)
	if err != nil {
		return nil, nil, err
	}
	history, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dest)), ".history-")
	if err != nil {
		return nil, nil, failure(FetchFailed, "cannot make a folder for the history: %v", err)
	}
	done := func() { _ = os.RemoveAll(history) }
	repo, err := git.Init(filesystem.NewStorage(osfs.New(history), cache.NewObjectLRUDefault()), osfs.New(dest, osfs.WithBoundOS()))
	if err == nil {
		var origin *git.Remote
		origin, err = repo.CreateRemote(&config.RemoteConfig{Name: git.DefaultRemoteName, URLs: []string{g.URL}})
		if err == nil {
			return &session{Git: g, endpoint: endpoint, auth: auth, repo: repo, origin: origin}, done, nil
		}
	}
	done()
	return nil, nil, failure(FetchFailed, "cannot ready a repository: %s", scrub(err.Error(), g.secrets()...))
}

// list asks the server for its branches and tags.
func (r *session) list(ctx context.Context) error {
	var err error
	r.refs, err = r.origin.ListContext(ctx, &git.ListOptions{Auth: r.auth, CABundle: r.ca(), PeelingOption: git.AppendPeeled})
	if err != nil {
		return r.explain(err)
	}
	return nil
}

func (r *session) ca() []byte {
	if r.Credentials == nil {
		return nil
	}
	return r.Credentials.CA
}

// resolve finds out what the revision is, as far as the server's list tells.
func (r *session) resolve() (target, error) {
	if r.Revision == "" || r.Revision == plumbing.HEAD.String() {
		return r.head()
	}
	for _, name := range []string{"refs/heads/" + r.Revision, "refs/tags/" + r.Revision, r.Revision} {
		if ref := r.ref(name); ref != nil && strings.HasPrefix(name, "refs/") {
			return r.named(ref), nil
		}
	}
	revision := strings.ToLower(r.Revision)
	if !commitName.MatchString(revision) {
		return target{}, r.noRevision()
	}
	var found []plumbing.Hash
	for _, ref := range r.refs {
		if ref.Type() == plumbing.HashReference && strings.HasPrefix(ref.Hash().String(), revision) && !slices.Contains(found, ref.Hash()) {
			found = append(found, ref.Hash())
		}
	}
	if len(revision) == len(plumbing.ZeroHash.String()) {
		return target{hash: plumbing.NewHash(revision)}, nil
	}
	if len(found) == 1 {
		return target{hash: found[0]}, nil
	}
	return target{}, nil // only the history can tell
}

func (r *session) head() (target, error) {
	head := r.ref(plumbing.HEAD.String())
	if head == nil {
		return target{}, failure(RevisionNotFound, "repository %s names no default branch: set revision to one of %s", Redact(r.URL), list(r.names()))
	}
	if head.Type() == plumbing.SymbolicReference {
		if ref := r.ref(head.Target().String()); ref != nil {
			return r.named(ref), nil
		}
	}
	for _, ref := range r.refs { // a server that does not say which branch HEAD is: the one with the same commit
		if ref.Name().IsBranch() && ref.Hash() == head.Hash() {
			return r.named(ref), nil
		}
	}
	return target{hash: head.Hash()}, nil
}

func (r *session) named(ref *plumbing.Reference) target {
	t := target{hash: ref.Hash(), ref: ref.Name()}
	if ref.Name().IsBranch() {
		t.branch = ref.Name().Short()
	}
	return t
}

func (r *session) ref(name string) *plumbing.Reference {
	for _, ref := range r.refs {
		if ref.Name().String() == name {
			return ref
		}
	}
	return nil
}

// names returns the server's branches and tags.
func (r *session) names() []string {
	var names []string
	for _, ref := range r.refs {
		if (ref.Name().IsBranch() || ref.Name().IsTag()) && !strings.HasSuffix(ref.Name().String(), "^{}") {
			names = append(names, ref.Name().Short())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *session) noRevision() error {
	names := r.names()
	what := fmt.Sprintf("revision %q is not a branch, tag or commit of %s", oneLine(r.Revision), Redact(r.URL))
	if near := nearest(r.Revision, names); len(near) > 0 {
		return failure(RevisionNotFound, "%s; did you mean %s?", what, strings.Join(near, " or "))
	}
	if len(names) == 0 {
		return failure(RevisionNotFound, "%s; it has no branches or tags", what)
	}
	return failure(RevisionNotFound, "%s; it has %s", what, list(names))
}

// download fetches the commit: alone when the server gives it alone, with the whole history otherwise.
func (r *session) download(ctx context.Context, want target) (*object.Commit, error) {
	var spec string
	switch {
	case want.ref != "":
		spec = fmt.Sprintf("+%s:%s", want.ref, want.ref)
	case !want.hash.IsZero():
		spec = fmt.Sprintf("+%s:refs/fetched/commit", want.hash)
	}
	if spec != "" {
		err := r.fetchSpecs(ctx, 1, spec)
		if err == nil {
			return r.commit(want.hash)
		}
		if want.ref != "" {
			return nil, r.explain(err)
		}
	}
	if err := r.fetchSpecs(ctx, 0, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"); err != nil {
		return nil, r.explain(err)
	}
	if !want.hash.IsZero() {
		return r.commit(want.hash)
	}
	hash, err := r.repo.ResolveRevision(plumbing.Revision(strings.ToLower(r.Revision)))
	if err != nil {
		return nil, r.noRevision()
	}
	return r.commit(*hash)
}

func (r *session) fetchSpecs(ctx context.Context, depth int, specs ...string) error {
	o := &git.FetchOptions{Auth: r.auth, CABundle: r.ca(), Depth: depth, Tags: git.NoTags, Force: true}
	for _, s := range specs {
		o.RefSpecs = append(o.RefSpecs, config.RefSpec(s))
	}
	if err := r.origin.FetchContext(ctx, o); err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		return err
	}
	return nil
}

// commit reads a commit, through the annotated tag that may stand for it.
func (r *session) commit(hash plumbing.Hash) (*object.Commit, error) {
	if tag, err := r.repo.TagObject(hash); err == nil {
		commit, err := tag.Commit()
		if err != nil {
			return nil, failure(RevisionNotFound, "tag %q of %s does not name a commit", oneLine(r.Revision), Redact(r.URL))
		}
		return commit, nil
	}
	commit, err := r.repo.CommitObject(hash)
	if err != nil {
		return nil, r.noRevision()
	}
	return commit, nil
}

func (r *session) checkout(ctx context.Context, commit *object.Commit, progress io.Writer) error {
	tree, err := r.repo.Worktree()
	if err == nil {
		err = tree.Checkout(&git.CheckoutOptions{Hash: commit.Hash, Force: true})
	}
	if err != nil {
		return failure(FetchFailed, "cannot check out commit %s of %s: %s", commit.Hash, Redact(r.URL), scrub(err.Error(), r.secrets()...))
	}
	modules, err := tree.Submodules()
	if err != nil {
		return failure(FetchFailed, "cannot read .gitmodules of %s: %s", Redact(r.URL), scrub(err.Error(), r.secrets()...))
	}
	for _, m := range modules {
		if err := r.submodule(ctx, m, progress); err != nil {
			return err
		}
	}
	return nil
}

// submodule fetches a repository within the repository. The credentials go along only to the server they were given for.
func (r *session) submodule(ctx context.Context, m *git.Submodule, progress io.Writer) error {
	at := m.Config()
	relative := strings.HasPrefix(at.URL, "./") || strings.HasPrefix(at.URL, "../")
	o := &git.SubmoduleUpdateOptions{Init: true}
	if !relative {
		endpoint, err := transport.NewEndpoint(at.URL)
		if err != nil || !slices.Contains(protocols, endpoint.Protocol) {
			return failure(InvalidSource, "submodule %s has the URL %s, which must use one of %s", at.Path, Redact(at.URL), list(protocols))
		}
		if endpoint.Protocol == r.endpoint.Protocol && endpoint.Host == r.endpoint.Host && endpoint.Port == r.endpoint.Port {
			o.Auth = r.auth
		}
	} else {
		o.Auth = r.auth
	}
	fmt.Fprintf(progress, "Fetching submodule %s from %s\n", oneLine(at.Path), Redact(at.URL))
	if err := m.UpdateContext(ctx, o); err != nil {
		return failure(FetchFailed, "cannot fetch submodule %s from %s: %s",
			oneLine(at.Path), Redact(at.URL), scrub(err.Error(), append(r.secrets(), urlSecrets(at.URL)...)...))
	}
	return nil
}

// dropGitFolders removes what git itself keeps in a checkout.
func dropGitFolders(dest string) error {
	err := filepath.WalkDir(dest, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() != git.GitDirName {
			return nil
		}
		if err := os.RemoveAll(path); err != nil || !d.IsDir() {
			return err
		}
		return fs.SkipDir
	})
	if err != nil {
		return failure(FetchFailed, "cannot tidy the source folder: %v", err)
	}
	return nil
}

func (g *Git) secrets() []string { return append(g.Credentials.secrets(), urlSecrets(g.URL)...) }

// explain tells the user what the failure of a server means.
func (r *session) explain(err error) error {
	repo := Redact(r.URL)
	text := scrub(err.Error(), r.secrets()...)
	switch {
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return failure(RevisionNotFound, "repository %s is empty: push a commit first", repo)
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return failure(RepositoryNotFound, "repository %s does not exist, or these credentials may not see it: check the URL", repo)
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed),
		strings.Contains(text, "unable to authenticate"):
		if r.auth == nil {
			return failure(AuthenticationFailed, "%s needs credentials, or does not exist: check the URL, and set credentials to "+
				"a Secret of type kubernetes.io/basic-auth (or use an ssh URL and kubernetes.io/ssh-auth)", repo)
		}
		return failure(AuthenticationFailed, "%s refused the credentials: check the Secret, and that it may read this repository", repo)
	case strings.Contains(text, "knownhosts: key"), strings.Contains(text, "host key mismatch"):
		return failure(HostKeyRejected, "%s showed a host key that known_hosts of the credentials Secret does not have: "+
			"if the server's key is new, put the output of `ssh-keyscan %s` there", repo, r.endpoint.Host)
	}
	return failure(ServerUnreachable, "cannot fetch %s: %s", repo, text)
}
