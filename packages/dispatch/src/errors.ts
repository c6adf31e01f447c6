/** Redis is away, or did not answer in time. The caller falls back to what Postgres knows, or tries again later. */
export class DirectoryUnavailable extends Error {
	override readonly name = 'DirectoryUnavailable';
	constructor(cause: unknown) {
		super(`ownership directory is not available: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
	}
}
