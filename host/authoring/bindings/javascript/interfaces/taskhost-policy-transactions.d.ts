/// <reference path="./taskhost-policy-types.d.ts" />
declare module 'taskhost:policy/transactions@0.1.0' {
  export type TaskId = import('taskhost:policy/types@0.1.0').TaskId;
  export type Status = import('taskhost:policy/types@0.1.0').Status;
  export type Millis = import('taskhost:policy/types@0.1.0').Millis;
  export type DurationMs = import('taskhost:policy/types@0.1.0').DurationMs;
  /**
   * Why a step was not staged. The transaction goes on without it, and it doesn't count as a step.
   */
  export type StepError = StepErrorInvalid | StepErrorConflict | StepErrorLimit;
  /**
   * There is no such task, or the hook may not take this step at all: the text says which.
   */
  export interface StepErrorInvalid {
    tag: 'invalid',
    val: string,
  }
  /**
   * The task's status, holder or reservation forbids it.
   */
  export interface StepErrorConflict {
    tag: 'conflict',
    val: string,
  }
  /**
   * The bound on staged steps, on memory or on a value's size is reached.
   */
  export interface StepErrorLimit {
    tag: 'limit',
    val: string,
  }
  
  export class Transaction implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    /**
    * Names this decision: the same when the hook is run again after a lost commit.
    */
    id(): string;
    /**
    * Give the task to the asker. Only in `assignment`, once, for a task that is pending, ready, what the
    * request's filter asks for, and not reserved for somebody else. `lease` is 30 minutes if none is given,
    * and at most 30 days.
    */
    claim(id: TaskId, lease: DurationMs | undefined): void;
    /**
    * Take the task from its holder: it is pending again and its attempt stays counted. With `not-before`
    * it isn't offered before that time.
    */
    release(id: TaskId, notBefore: Millis | undefined): void;
    /**
    * Finish or park another task than the one the hook was called for: `completed`, `failed`,
    * `cancelled` or `blocked`, or `pending` for one that is blocked. A finished task is never changed.
    * The change gets a `lifecycle` call of its own.
    */
    setStatus(id: TaskId, to: Status, why: string): void;
    /**
    * Ask `readiness` about a pending task again.
    */
    reconsider(id: TaskId): void;
    /**
    * Remember `value` under `key` (at most 256 bytes; a value at most 64 KiB; 10,000 keys), or forget it.
    * The memory belongs to this policy on this board and outlives its versions.
    */
    remember(key: string, value: Uint8Array | undefined): void;
    [Symbol.dispose](): void;
  }
}
