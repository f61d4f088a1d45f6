/// <reference path="./taskhost-policy-types.d.ts" />
declare module 'taskhost:policy/locks@0.1.0' {
  /**
   * Wait for the lock, at most `timeout` and never past the hook's deadline.
   */
  export function acquire(name: string, timeout: DurationMs): Guard;
  export type DurationMs = import('taskhost:policy/types@0.1.0').DurationMs;
  export type LockError = LockErrorTimeout | LockErrorForbidden | LockErrorLimit | LockErrorFailed;
  /**
   * Somebody else held it all the while.
   */
  export interface LockErrorTimeout {
    tag: 'timeout',
  }
  /**
   * This hook may not take locks.
   */
  export interface LockErrorForbidden {
    tag: 'forbidden',
  }
  /**
   * Too many locks are held, or the name isn't `[A-Za-z0-9][A-Za-z0-9._:-]{0,127}`.
   */
  export interface LockErrorLimit {
    tag: 'limit',
    val: string,
  }
  export interface LockErrorFailed {
    tag: 'failed',
    val: string,
  }
  
  export class Guard implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    [Symbol.dispose](): void;
  }
}
