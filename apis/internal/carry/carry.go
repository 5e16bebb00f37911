// SPDX-License-Identifier: Apache-2.0

package carry

import (
	"errors"
	"slices"
)

// MaxText is the longest text that is carried. The API server allows an object 256 KiB of annotations, and users have some of their own.
const MaxText = 192 << 10

var (
	// ErrTooLarge says that more would have to be carried than MaxText. The result is complete but for that.
	ErrTooLarge = errors.New("what the other version cannot hold is too large to be carried along")
	// ErrLeftOut says that the carried part of the object was too large and was left out, so that it is lost in the result.
	ErrLeftOut = errors.New("a part of the object that this version cannot hold was too large to be carried along and would be lost")
)

// Side is one of the two versions.
type Side[T, Other any] struct {
	// Version names it in the text.
	Version string
	// Translate makes the other version of what this one says, as well as that can. It leaves its argument alone.
	Translate func(*T) *Other
	// Lists are the lists whose entries are carried one by one.
	Lists []List
	// Refuses tells of a value by its name that it may not be put back into this version, because it cannot be read safely.
	Refuses func(name string, value any) bool
}

// Convert translates an object, given with the text beside it, and puts back what the text carries. It returns the result and the text to go
// beside it, empty where nothing has to be carried.
//
// What a text holds never makes it fail: what does not fit is ignored. With ErrTooLarge and ErrLeftOut there is a result too.
func Convert[A, B any](from *A, text *string, here Side[A, B], there Side[B, A]) (*B, *string, error) {
	source, err := treeOf(from, here.Lists)
	if err != nil {
		return nil, nil, err
	}
	result := here.Translate(from)
	carried, ours := decode(text, there.Version)
	if ours && carried.LeftOut {
		err = ErrLeftOut
	}
	carried.Changes = slices.DeleteFunc(carried.Changes, func(c change) bool { return c.holds(there.Refuses) })
	if len(carried.Changes) > 0 {
		restored, err := restore(result, carried.Changes, carried.Of != digest(source), here, there)
		if err != nil {
			return nil, nil, err
		}
		result = restored
	}
	target, treeErr := treeOf(result, there.Lists)
	back, backErr := treeOf(there.Translate(result), here.Lists)
	if err := errors.Join(treeErr, backErr); err != nil {
		return nil, nil, err
	}
	kept := carriage{Version: here.Version, Of: digest(target), Changes: diff(back, source)}
	if !ours {
		kept.Text = text
	} else if carried.Text != nil && len(kept.Changes) == 0 {
		return result, carried.Text, err
	}
	next, long, encodeErr := kept.encode()
	if encodeErr != nil {
		return nil, nil, encodeErr
	}
	if long {
		err = ErrTooLarge
	}
	return result, next, err
}

// maxTrials bounds the work for one object that was edited.
const maxTrials = 256

// restore puts changes back into a translation.
func restore[A, B any](translated *B, changes []change, edited bool, here Side[A, B], there Side[B, A]) (*B, error) {
	plain, err := treeOf(translated, there.Lists)
	if err != nil {
		return nil, err
	}
	if !edited {
		whole := clone(plain)
		for _, c := range changes {
			c.force(whole)
		}
		if restored, err := fromTree[B](whole, there.Lists); err == nil {
			return restored, nil
		}
	}
	// What the edited version says, in the words of the other one: so that it does not matter how it is written.
	said := func(object *B) (any, error) { return treeOf(here.Translate(there.Translate(object)), there.Lists) }
	want, err := said(translated)
	if err != nil {
		return nil, err
	}
	r := restorer{trials: maxTrials, fits: func(candidate any) bool {
		object, err := fromTree[B](candidate, there.Lists)
		if err != nil {
			return false
		}
		got, err := said(object)
		return err == nil && equal(got, want)
	}}
	tree := r.put(plain, changes)
	// Some changes only fit together with others.
	rejected := r.rejected
	r.rejected = nil
	return fromTree[B](r.put(tree, rejected), there.Lists)
}

// restorer puts back those changes that do not change what the edited version says.
type restorer struct {
	fits     func(candidate any) bool
	trials   int
	rejected []change
}

// put returns the tree with as many of the changes as fit.
func (r *restorer) put(tree any, changes []change) any {
	if len(changes) == 0 || r.trials == 0 {
		return tree
	}
	r.trials--
	candidate, touched := clone(tree), false
	for _, c := range changes {
		touched = c.apply(candidate) || touched
	}
	switch {
	case !touched:
		return tree
	case r.fits(candidate):
		return candidate
	case len(changes) > 1:
		half := len(changes) / 2
		return r.put(r.put(tree, changes[:half]), changes[half:])
	case len(changes[0].split()) > 0:
		return r.put(r.put(tree, changes[0].empty()), changes[0].split())
	default:
		r.rejected = append(r.rejected, changes[0])
		return tree
	}
}
