import type { InstanceUid } from '@ampora/opamp';
import type { Carrier } from '../session/carrier.js';
import type { Inbound } from '../session/inbound.js';

/** An agent whose first message came, and which has no session yet. */
export class Applicant {
	/** Its carrier is gone: whatever is admitted for it ends at once. */
	gone = false;
	/** The uid it is admitted under when another agent keeps the one it used. */
	grantedUid: InstanceUid | null = null;

	constructor(
		readonly uid: InstanceUid,
		readonly carrier: Carrier,
		readonly waiting: Inbound[],
	) {}
}
