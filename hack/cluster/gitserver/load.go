package gitserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Branch is the branch that Load commits to.
const Branch = "main"

var repositoryName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// Load puts a folder's content as a new commit on the branch main of PART/NAME.git below root, making the repository if it
// is not there, and returns the commit. Content that the branch has already gives no new commit. Files that a .gitignore
// leaves out are left out; a .git folder in it plays no part.
func Load(ctx context.Context, root, part, name, folder string) (commit string, err error) {
	if part != Public && part != Private {
		return "", fmt.Errorf("part is %q, but must be %s or %s", part, Public, Private)
	}
	if !repositoryName.MatchString(name) {
		return "", fmt.Errorf("%q cannot be the name of a repository: use letters, digits, dots and dashes", name)
	}
	if info, err := os.Stat(folder); err != nil {
		return "", fmt.Errorf("loading %s: %w", folder, err)
	} else if !info.IsDir() {
		return "", fmt.Errorf("loading %s: it is not a folder", folder)
	}
	repo, err := filepath.Abs(filepath.Join(root, part, strings.TrimSuffix(name, ".git")+".git"))
	if err != nil {
		return "", fmt.Errorf("loading %s: %w", folder, err)
	}
	if _, err := os.Stat(filepath.Join(repo, "HEAD")); errors.Is(err, os.ErrNotExist) {
		if _, err := git(ctx, nil, "init", "--quiet", "--bare", "--initial-branch="+Branch, repo); err != nil {
			return "", err
		}
		// Clients may ask for a commit by its hash, also one that no branch names.
		if _, err := git(ctx, nil, "-C", repo, "config", "uploadpack.allowAnySHA1InWant", "true"); err != nil {
			return "", err
		}
	}
	return commitFolder(ctx, repo, folder)
}

// commitFolder makes the commit through an index of its own, so that no work tree is needed.
func commitFolder(ctx context.Context, repo, folder string) (string, error) {
	tmp, err := os.MkdirTemp("", "load-git-")
	if err != nil {
		return "", fmt.Errorf("loading %s: %w", folder, err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	env := []string{"GIT_DIR=" + repo, "GIT_WORK_TREE=" + folder, "GIT_INDEX_FILE=" + filepath.Join(tmp, "index")}
	if _, err := git(ctx, env, "-C", folder, "add", "--all", "."); err != nil {
		return "", err
	}
	tree, err := git(ctx, env, "write-tree")
	if err != nil {
		return "", err
	}
	args := []string{"commit-tree", tree, "-m", "Load " + filepath.Base(folder)}
	parent, err := git(ctx, env, "rev-parse", "--verify", "--quiet", "refs/heads/"+Branch)
	if err == nil {
		if same, err := git(ctx, env, "rev-parse", parent+"^{tree}"); err == nil && same == tree {
			return parent, nil
		}
		args = append(args, "-p", parent)
	}
	commit, err := git(ctx, env, args...)
	if err != nil {
		return "", err
	}
	_, err = git(ctx, env, "update-ref", "refs/heads/"+Branch, commit)
	return commit, err
}

// git runs the git command with a fixed author, whatever the user's configuration is.
func git(ctx context.Context, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=OpenFunction", "GIT_AUTHOR_EMAIL=cluster@openfunction.test",
		"GIT_COMMITTER_NAME=OpenFunction", "GIT_COMMITTER_EMAIL=cluster@openfunction.test",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
	}, env...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errOut.String()))
	}
	return strings.TrimSpace(out.String()), nil
}
