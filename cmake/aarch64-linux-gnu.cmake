# Builds for 64-bit ARM on a Debian machine of another kind and runs the results under user-mode emulation. Packages:
# g++-aarch64-linux-gnu and qemu-user; of the libraries, which are headers alone, this machine's own serve.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)

# Debian files the descriptions of some of them under this machine's processor.
file(GLOB native_configs /usr/lib/*-linux-gnu/cmake)
list(APPEND CMAKE_PREFIX_PATH ${native_configs})
