import { ensure } from '../../../deploy/local/ensure.mjs';

/** Tests over processes run what `npm start` runs. */
export async function setup(): Promise<void> {
	await ensure({ build: true });
}
