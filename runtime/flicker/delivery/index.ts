export { createDeadLetters, NoDeadLetterLocationError } from './dead-letters';
export { deliver, recover, type Delivery, type DeliveryContext } from './deliver';
