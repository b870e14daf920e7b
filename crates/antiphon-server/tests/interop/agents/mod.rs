//! What drives each SDK. Those of Python and JavaScript are the scripts beside this file.

pub(crate) mod rust;
