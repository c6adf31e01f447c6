import type { Rollout } from './model.js';

/**
 * May assignments of this rollout's version be offered to agents: `open`; `answered`, only to those that already answered applied;
 * `closed`, to nobody. Gateways read it before every offer (R1); what a rollback assigns goes out unless it says `closed`.
 */
export function offersOf(rollout: Pick<Rollout, 'state'>): 'open' | 'answered' | 'closed' {
	switch (rollout.state) {
		case 'InProgress':
		case 'Completed':
			return 'open';
		case 'RollingBack':
		case 'RolledBack':
		case 'Aborted':
		case 'Failed':
		case 'Superseded':
			return 'answered';
		case 'PendingApproval':
		case 'Pending':
		case 'Queued':
		case 'Paused':
		case 'Cancelled':
		case 'Rejected':
			return 'closed';
	}
}
