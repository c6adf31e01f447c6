/** Absolute paths of the built agents. */
export interface InteropBinaries {
	readonly supervisor: string;
	readonly collector: string;
	readonly driver: string;
}

export function buildInterop(options?: { say?: (line: string) => void }): Promise<InteropBinaries>;
