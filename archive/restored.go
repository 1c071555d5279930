package archive

import "context"

// keepRestored is errSettled for a leaf that is not the table that was archived, by its OID: it was restored since, or made anew
// by hand, or the database is another one. Somebody wanted its rows back, so a run that only goes by age does not take it away
// while it equals the archive. Once it differs it is like any partition that changed after it was archived.
func (a *Archiver) keepRestored(ctx context.Context, p *plan) error {
	if !p.req.many || p.req.includeRestored || p.req.Retire == Keep || p.existing == nil || p.leaf == nil {
		return nil
	}
	record, err := a.record(ctx, p)
	if err != nil {
		return err
	}
	if record.LeafOID == 0 || record.LeafOID == p.leaf.OID { // 0: records of before
		return nil
	}
	return settledError(skipRestored)
}
