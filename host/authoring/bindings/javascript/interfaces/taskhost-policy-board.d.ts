/// <reference path="./taskhost-policy-types.d.ts" />
declare module 'taskhost:policy/board@0.1.0' {
  export type TaskId = import('taskhost:policy/types@0.1.0').TaskId;
  export type Status = import('taskhost:policy/types@0.1.0').Status;
  export type Claim = import('taskhost:policy/types@0.1.0').Claim;
  export type Summary = import('taskhost:policy/types@0.1.0').Summary;
  export type Filter = import('taskhost:policy/types@0.1.0').Filter;
  export type Order = import('taskhost:policy/types@0.1.0').Order;
  export type Reservation = import('taskhost:policy/types@0.1.0').Reservation;
  export type Millis = import('taskhost:policy/types@0.1.0').Millis;
  /**
   * Which of a task's children are asked for.
   * # Variants
   * 
   * ## `"every"`
   * 
   * ## `"open"`
   * 
   * Not completed, failed or cancelled.
   * ## `"unsuccessful"`
   * 
   * Failed or cancelled.
   */
  export type Family = 'every' | 'open' | 'unsuccessful';
  
  export class Cursor implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    /**
    * The next tasks, at most `limit` (1,000 if more is asked); an empty list at the end.
    */
    next(limit: number): Array<Summary>;
    [Symbol.dispose](): void;
  }
  
  export class Task implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    summary(): Summary;
    status(): Status;
    parent(): TaskId | undefined;
    /**
    * What must come before it: the ids given as `after`, in their order.
    */
    dependencies(): Array<TaskId>;
    /**
    * Children in the order of their ids, those after `past`, at most `limit` (1,000 if more is asked).
    */
    children(which: Family, past: TaskId | undefined, limit: number): Array<TaskId>;
    labels(): Array<string>;
    /**
    * The capabilities an agent must have.
    */
    needs(): Array<string>;
    /**
    * For whom it is reserved.
    */
    assignee(): string | undefined;
    claim(): Claim | undefined;
    /**
    * Not to be claimed before this time, if it was so added or updated.
    */
    notBefore(): Millis | undefined;
    /**
    * How many of its attempts ended in `fail`; in the event `failed`, the one just reported included.
    */
    failures(): number;
    /**
    * Why it is in its status, where somebody said so.
    */
    reason(): string | undefined;
    /**
    * The caller's own data: JSON text, `null` if none was given.
    */
    data(): string;
    [Symbol.dispose](): void;
  }
  
  export class View implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    get(id: TaskId): Task | undefined;
    /**
    * The tasks that `readiness` declared ready and that nobody holds. `for-asker` yields nothing
    * outside `assignment`.
    */
    candidates(filter: Filter, reserved: Reservation, order: Order): Cursor;
    /**
    * How many claims agents of this name hold.
    */
    claimsHeld(agent: string): number;
    /**
    * What this policy remembered under `key`, on this board.
    */
    recall(key: string): Uint8Array | undefined;
    [Symbol.dispose](): void;
  }
}
