# Leaves llama.cpp's chat, argument and download layer (libllama-common) out of the build: nothing in Python can
# call its C++ symbols, and it is a good part of the compile time. Used through
# CMAKE_ARGS="-DCMAKE_PROJECT_llama.cpp_INCLUDE=<this file>", because llama-cpp-python forces the option ON and
# only a normal variable, set after vendor/llama.cpp's own project() call, goes before a forced cache entry.
set(LLAMA_BUILD_COMMON OFF)
