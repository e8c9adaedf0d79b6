//! One object in, its readiness out (kstatus).
