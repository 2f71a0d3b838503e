package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

const (
	// linkSize is the most events of a link of the audit chain.
	linkSize = 10_000
	// linksAtOnce is how many links one transaction makes at most.
	linksAtOnce = 20
	// chainLooksBack is how much older than the last look the ids of events may be that were committed after it: as long as the longest
	// transaction takes, and clocks are apart. What is older still is found by the next sweep.
	chainLooksBack = time.Hour
	// chainSweptEvery is how often everything is looked through.
	chainSweptEvery = 24 * time.Hour
)

// ChainAudit chains the events of the audit trail that are not chained yet, of every organization (D1). Any number may do so at once. The
// trouble of one organization holds up no other.
func (a *App) ChainAudit(ctx context.Context) error {
	organizations, err := a.store.ChainsToLookAt(ctx, chainLooksBack, a.chainSweptSince())
	if err != nil {
		return err
	}
	var errs []error
	for _, organization := range organizations {
		for more := true; more; {
			if more, err = a.extendChain(ctx, domain.OrganizationID(organization)); err != nil {
				errs = append(errs, fmt.Errorf("chain the audit trail of organization %s: %w", organization, err))
				break
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

func (a *App) chainSweptSince() time.Time { return a.now().Add(-chainSweptEvery) }

// extendChain chains what it finds in one transaction, and tells whether there is more. Where another one is at the same chain, it leaves it
// to them.
func (a *App) extendChain(ctx context.Context, organization domain.OrganizationID) (more bool, err error) {
	var made []domain.ChainHead
	err = a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
		made, more = nil, false
		if taken, err := tx.TakeChain(ctx); err != nil || !taken {
			return err
		}
		// What follows begins after whoever had the chain before has ended, and sees all that they did.
		looked, err := tx.LookedAt(ctx, chainLooksBack, a.chainSweptSince())
		if err != nil {
			return err
		}
		found, err := tx.FindUnchained(ctx, looked.From, linkSize*linksAtOnce+1)
		if err != nil {
			return err
		}
		if more = len(found) > linkSize*linksAtOnce; more {
			found = found[:linkSize*linksAtOnce]
		}
		if made, err = appendLinks(ctx, tx, found, looked.Now); err != nil || more {
			return err
		}
		return tx.SaveLookedAt(ctx, looked)
	})
	if err != nil {
		return false, err
	}
	for _, head := range made {
		a.log.InfoContext(ctx, "audit chained", "organization_id", organization.String(), "position", head.Position, "hash", head.Hash.String())
	}
	return more, nil
}

// appendLinks chains events, a link at a time, and tells the heads after each.
func appendLinks(ctx context.Context, tx *postgres.Tx, found []uuid.UUID, now time.Time) (made []domain.ChainHead, err error) {
	if len(found) == 0 {
		return nil, nil
	}
	head, _, _, err := tx.ChainHead(ctx)
	if err != nil {
		return nil, err
	}
	chain := domain.ChainFrom(tx.Organization, head)
	for len(found) > 0 {
		link := domain.AuditLink{First: chain.Head().Position + 1, Format: domain.AuditChainFormat, ChainedAt: now}
		link.EventIDs, found = found[:min(linkSize, len(found))], found[min(linkSize, len(found)):]
		records, err := tx.AuditRecords(ctx, link.EventIDs)
		if err != nil {
			return nil, err
		}
		newest := uuid.Nil
		for _, id := range link.EventIDs {
			record, there := records[id]
			if !there {
				return nil, fmt.Errorf("audit event %s has gone while it was chained", id)
			}
			link.Hashes = append(link.Hashes, chain.Append(record))
			if bytes.Compare(id[:], newest[:]) > 0 {
				newest = id
			}
		}
		link.Last = chain.Head().Position
		if err := tx.AppendLink(ctx, link, newest); err != nil {
			return nil, err
		}
		made = append(made, chain.Head())
	}
	return made, nil
}

// AuditHead tells where an organization's chain ends, and since when; false where it has not begun.
func (a *App) AuditHead(ctx context.Context, organization domain.OrganizationID) (head domain.ChainHead, chainedAt time.Time, begun bool, err error) {
	err = a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
		if _, err := tx.OrganizationOf(ctx); err != nil {
			return err
		}
		head, chainedAt, begun, err = tx.ChainHead(ctx)
		return err
	})
	return head, chainedAt, begun, err
}

// AuditedOrganizations tells the organizations that have an audit trail.
func (a *App) AuditedOrganizations(ctx context.Context) ([]uuid.UUID, error) {
	return a.store.AuditedOrganizations(ctx)
}

// VerifyAudit computes an organization's chain once more from the trail as it is, up to the first problem, and holds it against heads that
// were published. Memory does not grow with the trail. progress, where there is one, is told how many events are verified.
func (a *App) VerifyAudit(ctx context.Context, organization domain.OrganizationID, expected []domain.ChainHead, progress func(events int64)) (report domain.ChainReport, err error) {
	err = a.store.InTx(ctx, organization, postgres.Snapshot, func(tx *postgres.Tx) error {
		report = domain.ChainReport{Organization: organization}
		if _, err := tx.OrganizationOf(ctx); err != nil {
			return err
		}
		verifier, problem := domain.NewAuditVerifier(organization, expected)
		if problem == nil {
			if problem, err = verifyLinks(ctx, tx, verifier, progress); err != nil {
				return err
			}
		}
		report.Head, report.Problem = verifier.Head(), problem
		report.Events = report.Head.Position
		report.Unchained, report.OldestUnchainedAt, err = tx.CountUnchained(ctx)
		return err
	})
	return report, err
}

func verifyLinks(ctx context.Context, tx *postgres.Tx, verifier *domain.AuditVerifier, progress func(int64)) (*domain.ChainProblem, error) {
	for after := int64(0); ; {
		links, err := tx.AuditLinks(ctx, after, linkSize)
		if err != nil {
			return nil, err
		}
		if len(links) == 0 {
			break
		}
		var events []uuid.UUID
		for _, link := range links {
			events = append(events, link.EventIDs...)
		}
		records, err := tx.AuditRecords(ctx, events)
		if err != nil {
			return nil, err
		}
		for _, link := range links {
			if problem := verifier.Link(link, records); problem != nil {
				return problem, nil
			}
		}
		after = links[len(links)-1].First // not its end: what begins before that must be seen too
		if progress != nil {
			progress(verifier.Head().Position)
		}
	}
	if problem := verifier.End(); problem != nil {
		return problem, nil
	}
	if id, found, err := tx.RepeatedInChain(ctx); err != nil || found {
		return &domain.ChainProblem{AuditEventID: &id, Problem: domain.ChainEventRepeated, Detail: "The event is in the chain more than once."}, err
	}
	return nil, nil
}
