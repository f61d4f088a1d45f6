declare module 'taskhost:policy/files@0.1.0' {
  export function read(at: Place, name: string): Uint8Array;
  /**
   * Replace the whole content atomically and durably: a reader sees the old content or the new one, and
   * the new one survives a power failure once this returns. With `expected`, only if the content is still
   * that (an empty list stands for a missing file too).
   */
  export function replace(at: Place, name: string, content: Uint8Array, expected: Uint8Array | undefined): void;
  /**
   * # Variants
   * 
   * ## `"board"`
   * 
   * The policy's own directory on this board.
   * ## `"shared"`
   * 
   * A directory that the operator shares between boards; `forbidden` if there is none.
   */
  export type Place = 'board' | 'shared';
  export type FileError = FileErrorNotFound | FileErrorChanged | FileErrorForbidden | FileErrorTooLarge | FileErrorFailed;
  export interface FileErrorNotFound {
    tag: 'not-found',
  }
  /**
   * The content is no longer the expected one.
   */
  export interface FileErrorChanged {
    tag: 'changed',
  }
  /**
   * A name that isn't `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`, a place that isn't shared with this board,
   * or a hook that may only read.
   */
  export interface FileErrorForbidden {
    tag: 'forbidden',
    val: string,
  }
  /**
   * More than 1 MiB.
   */
  export interface FileErrorTooLarge {
    tag: 'too-large',
  }
  export interface FileErrorFailed {
    tag: 'failed',
    val: string,
  }
}
