import { flickerMetrics } from '../../contract/flicker';
import { createMetrics, type Metrics } from '../core/metrics';

export type FlickerMetrics = Metrics<typeof flickerMetrics>;

/** The metrics of one flicker process. */
export const createFlickerMetrics = () => createMetrics(flickerMetrics);
