import type { Message } from '../../events/message.ts';

/** One message as a broker handed it over. */
export type Delivery = {
  readonly message: Message;
  /** Broker's own id, for logs and quarantine only; never for dedupe. */
  readonly deliveryId: string;
  /** Why the source itself could not read the message whole; it goes to quarantine without being decoded. */
  readonly unreadable?: string;
};

/** How large a batch may grow, and how long it may wait for its first and its last message. */
export type BatchLimits = {
  readonly messagesMax: number;
  readonly bytesMax: number;
  /** Once a first message is there, wait at most this long for more. */
  readonly lingerMs: number;
};

export type ReceiveOptions = { readonly signal: AbortSignal; readonly idleMs?: number };

/**
 * Where messages come from. One of the service's two ports (the other is the file manager).
 *
 * Contract, held by one conformance suite that runs against every adapter's real server:
 * - `receive` resolves with at least one delivery, or with none when `signal` is aborted, the source is closed, or (with
 *   `idleMs`) nothing came for that long from a broker that answers. With `idleMs` it throws UnreachableError when the broker
 *   does not; without, it goes on trying. It never holds more than `messagesMax` messages or `bytesMax` bytes beyond what
 *   the broker's own flow control allows.
 * - `ack` is called only after the commit that holds the deliveries' events. It resolves when the broker has confirmed,
 *   as far as the broker confirms. A failed ack is not an error of the batch: the broker delivers again, dedupe absorbs.
 * - `nack` gives deliveries back that cannot be committed; they come again later, after the broker's own delay. Where the
 *   broker keeps an order (ordering keys, FIFO groups), what came after them and was not handed out yet goes back too.
 * - `close` stops receiving, gives back what was never handed out, and lets pending acks finish.
 */
export type Source = {
  readonly name: string;
  receive(limits: BatchLimits, options: ReceiveOptions): Promise<readonly Delivery[]>;
  ack(deliveries: readonly Delivery[]): Promise<void>;
  nack(deliveries: readonly Delivery[]): Promise<void>;
  close(): Promise<void>;
};
