// SPDX-License-Identifier: Apache-2.0

package canary_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"testing"

	"github.com/openfunction/openfunction/test/sec/canary"
)

func TestFind(t *testing.T) {
	flock := canary.Flock{}
	token, other := flock.Add("token"), flock.Add("other")
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"Nothing", "all is well", nil},
		{"Plain", "the token is " + token + "!", []string{"token"}},
		{"InAURL", "https://" + url.UserPassword("user", token).String() + "@host", []string{"token"}},
		{"InAQuery", "?token=" + url.QueryEscape(token), []string{"token"}},
		{"InBase64", base64.StdEncoding.EncodeToString([]byte(token)), []string{"token"}},
		{"InTheMiddleOfBase64", base64.StdEncoding.EncodeToString([]byte("user:" + token + "\n")), []string{"token"}},
		{"InBase64ForURLs", base64.URLEncoding.EncodeToString([]byte("u:" + token)), []string{"token"}},
		{"InHexadecimal", hex.EncodeToString([]byte("x" + token)), []string{"token"}},
		{"Both", token + other, []string{"other", "token"}},
	} {
		if got := flock.Find(test.text); !slices.Equal(got, test.want) {
			t.Errorf("%s: found %v, want %v", test.name, got, test.want)
		}
	}
}
