//! With libtorch: its folder goes into the rpath of what is linked here, so that nobody has to set
//! LD_LIBRARY_PATH.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Told by torch-sys, a direct dependency for this.
    if let Some(libtorch) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libtorch.display());
    }
}
