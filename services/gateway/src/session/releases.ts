import type { OwnershipClaim, OwnershipDirectory } from '@ampora/dispatch';
import type { Clock } from '@ampora/runtime';
import type { Logger } from '@ampora/telemetry';

const collectMs = 5;

/** Takes ended sessions out of the directory, many at a time. A release that fails leaves an entry that readers check anyway (D5). */
export class Releases {
	#claims: OwnershipClaim[] = [];
	#scheduled = false;

	constructor(private readonly deps: { directory: OwnershipDirectory; clock: Clock; log: Logger }) {}

	add(claim: OwnershipClaim): void {
		this.#claims.push(claim);
		if (this.#scheduled) return;
		this.#scheduled = true;
		this.deps.clock.after(collectMs, () => {
			this.#scheduled = false;
			void this.flush();
		});
	}

	async flush(): Promise<void> {
		const claims = this.#claims;
		this.#claims = [];
		if (claims.length === 0) return;
		try {
			await this.deps.directory.releaseAgents(claims);
		} catch (error) {
			this.deps.log.debug('entries were left in the ownership directory', { agents: claims.length, error });
		}
	}
}
