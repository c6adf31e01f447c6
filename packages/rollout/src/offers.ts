import type { Rollout } from './model.js';

/**
 * May assignments of this rollout's version be offered to agents: `open`; `answered`, only to those that already answered applied;
 * `closed`, to nobody. Gateways read it before every offer (R1).
 */
export function offersOf(rollout: Pick<Rollout, 'state'>): 'open' | 'answered' | 'closed' {
	switch (rollout.state) {
		case 'InProgress':
		case 'RollingBack':
		case 'RolledBack':
		case 'Completed':
			return 'open';
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
