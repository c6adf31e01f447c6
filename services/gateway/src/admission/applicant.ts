import { decodePart, type InstanceUid, type MessageLimits } from '@ampora/opamp';
import type { ConnectRequest } from '@ampora/store';
import { descriptionFact } from '../report/json.js';
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

	/** What its first messages say of it; undefined when that is nothing, or nothing that can be read. */
	description(limits: MessageLimits): ConnectRequest['description'] {
		const told = this.waiting.find(({ message }) => message.parts.agentDescription !== undefined);
		const bytes = told?.message.parts.agentDescription;
		if (bytes === undefined) return undefined;
		const decoded = decodePart('agentDescription', bytes, limits);
		return decoded.ok ? descriptionFact(decoded.value) : undefined;
	}
}
