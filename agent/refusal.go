// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// refusal is what daprd is told in place of the function's answer. Whatever the refusal, daprd has the event redelivered.
type refusal struct {
	code   codes.Code
	status int
	text   string
}

var refusals = map[result]refusal{
	resultFull:     {codes.ResourceExhausted, http.StatusServiceUnavailable, "the agent holds as many events as it may; deliver again"},
	resultTooLarge: {codes.ResourceExhausted, http.StatusRequestEntityTooLarge, "the event is larger than the agent's --max-body"},
	resultToken:    {codes.Unauthenticated, http.StatusUnauthorized, "the app token is missing, wrong, or refused by the function"},
	resultHeld:     {codes.Unavailable, http.StatusServiceUnavailable, "no replica of the function took the event in time; deliver again"},
	resultDraining: {codes.Unavailable, http.StatusServiceUnavailable, "the agent is about to stop; deliver again"},
	resultBroken:   {codes.Unavailable, http.StatusBadGateway, "the connection to the function broke before it answered; deliver again"},
	resultSlow:     {codes.DeadlineExceeded, http.StatusGatewayTimeout, "the function did not answer in time; deliver again"},
	resultGone:     {codes.Canceled, http.StatusServiceUnavailable, "the call was given up"},
	resultBad:      {codes.InvalidArgument, http.StatusBadRequest, "the event cannot be read"},
	// A function that does not know an event is not one that does not want it: daprd would drop what it calls unimplemented or not found.
	resultError: {codes.Unavailable, http.StatusServiceUnavailable, "the function has no handler for the event; deliver again"},
}

// resultOf says what daprd is told for an error of forwarder.deliver.
func resultOf(err error) result {
	switch {
	case err == nil:
		return resultSuccess
	case errors.Is(err, errHeld):
		return resultHeld
	case errors.Is(err, errDraining):
		return resultDraining
	case errors.Is(err, errSlow):
		return resultSlow
	case errors.Is(err, errTokens):
		return resultToken
	case errors.Is(err, errTooLarge):
		return resultTooLarge
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return resultGone
	default:
		return resultBroken
	}
}

func refuseGRPC(r result) error { return status.Error(refusals[r].code, refusals[r].text) }

func refuseHTTP(w http.ResponseWriter, r result) { http.Error(w, refusals[r].text, refusals[r].status) }
