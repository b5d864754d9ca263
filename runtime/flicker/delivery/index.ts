export { untilDone, type Attempt } from './attempts';
export { createDeadLetters, NoDeadLetterLocationError } from './dead-letters';
export { deliver, recover, recovered, type Delivery, type DeliveryContext } from './deliver';
