// SPDX-License-Identifier: Apache-2.0

package carry

import (
	"errors"
	"reflect"
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

// Convert translates an object, given as the tree of its JSON with the text beside it, and puts back what the text carries. It returns the
// tree of the result and the text to go beside it, empty where nothing has to be carried. Trees are compared as they were written, so a
// duration or a quantity comes back in the words somebody chose for it.
//
// What a text holds never makes it fail: what does not fit is ignored. With ErrTooLarge and ErrLeftOut there is a result too.
func Convert[A, B any](from any, text *string, here Side[A, B], there Side[B, A]) (any, *string, error) {
	result, err := here.translate(from)
	if err != nil {
		return nil, nil, err
	}
	carried, ours := decode(text, there.Version)
	var lost error
	if ours && carried.LeftOut {
		lost = ErrLeftOut
	}
	carried.Changes = slices.DeleteFunc(carried.Changes, func(c change) bool { return c.holds(there.Refuses) })
	if len(carried.Changes) > 0 {
		if result, err = restore(result, carried.Changes, carried.Of != digest(from), here, there); err != nil {
			return nil, nil, err
		}
	}
	back, err := there.translate(result)
	if err != nil {
		return nil, nil, err
	}
	kept := carriage{Version: here.Version, Of: digest(result), Changes: diff(unfolded(back, here.Lists), unfolded(from, here.Lists))}
	if !ours {
		kept.Text = text
	} else if carried.Text != nil && len(kept.Changes) == 0 {
		return result, carried.Text, lost
	}
	next, long, err := kept.encode()
	if err != nil {
		return nil, nil, err
	}
	if long {
		lost = ErrTooLarge
	}
	return result, next, lost
}

// translate returns the tree of the other version of what an object says, in the words it is written in.
func (s Side[T, Other]) translate(from any) (any, error) {
	object, err := objectOf[T](from)
	if err != nil {
		return nil, err
	}
	typed, err := TreeOf(object)
	if err != nil {
		return nil, err
	}
	result, err := TreeOf(s.Translate(object))
	if err != nil {
		return nil, err
	}
	w := wordsOf(from, typed)
	if w.none() {
		return result, nil
	}
	// Nor may it know all the fields of a part that says the same, and then the API server would drop them.
	said := known(w.say(result), reflect.TypeFor[Other]())
	// The other version may have the word for something else.
	if again, err := objectOf[Other](said); err == nil {
		if meant, err := TreeOf(again); err == nil && equal(meant, result) {
			return said, nil
		}
	}
	return result, nil
}

// maxTrials bounds the work for one object that was edited.
const maxTrials = 256

// restore puts changes back into a translation.
func restore[A, B any](translated any, changes []change, edited bool, here Side[A, B], there Side[B, A]) (any, error) {
	plain := unfolded(translated, there.Lists)
	if !edited {
		whole := clone(plain)
		for _, c := range changes {
			c.force(whole)
		}
		whole = folded(whole, there.Lists)
		if _, err := objectOf[B](whole); err == nil {
			return whole, nil
		}
	}
	// What the edited version says, in the words of the other one: so that it does not matter how it is written.
	said := func(tree any) (any, error) {
		object, err := objectOf[B](tree)
		if err != nil {
			return nil, err
		}
		return TreeOf(here.Translate(there.Translate(object)))
	}
	want, err := said(translated)
	if err != nil {
		return nil, err
	}
	r := restorer{trials: maxTrials, fits: func(candidate any) bool {
		got, err := said(folded(candidate, there.Lists))
		return err == nil && equal(got, want)
	}}
	tree := r.put(plain, changes)
	// Some changes only fit together with others.
	rejected := r.rejected
	r.rejected = nil
	return folded(r.put(tree, rejected), there.Lists), nil
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
