//! For files that do something of their own in a few operations: what another file does in the rest.

/// Writes the named operations of a [`DiskFile`](crate::disk::DiskFile), each done by the file in a field of `self`.
macro_rules! delegate_file {
    ($field:ident: $($operation:ident)+) => {
        $($crate::disk::delegate_file!(@$operation $field);)+
    };
    (@len $field:ident) => { $crate::disk::delegate_file!(@write $field len() -> u64); };
    (@identity $field:ident) => {
        $crate::disk::delegate_file!(@write $field identity() -> $crate::disk::Identity);
    };
    (@changed_at $field:ident) => {
        $crate::disk::delegate_file!(@write $field changed_at() -> taskhost_board::Millis);
    };
    (@read_at $field:ident) => {
        $crate::disk::delegate_file!(@write $field read_at(buffer: &mut [u8], offset: u64) -> usize);
    };
    (@append $field:ident) => {
        $crate::disk::delegate_file!(@write $field append(bytes: &[u8]) -> usize);
    };
    (@truncate $field:ident) => {
        $crate::disk::delegate_file!(@write $field truncate(length: u64) -> ());
    };
    (@sync $field:ident) => { $crate::disk::delegate_file!(@write $field sync() -> ()); };
    (@try_lock $field:ident) => {
        $crate::disk::delegate_file!(@write $field try_lock(hold: $crate::disk::Hold) -> bool);
    };
    (@wait_lock $field:ident) => {
        $crate::disk::delegate_file!(@write $field wait_lock(hold: $crate::disk::Hold) -> ());
    };
    (@unlock $field:ident) => { $crate::disk::delegate_file!(@write $field unlock() -> ()); };
    (@write $field:ident $operation:ident($($name:ident: $type:ty),*) -> $answer:ty) => {
        fn $operation(&self, $($name: $type),*) -> std::io::Result<$answer> {
            self.$field.$operation($($name),*)
        }
    };
}

pub(crate) use delegate_file;
