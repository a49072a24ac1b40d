# Read by llama.cpp's build through CMAKE_PROJECT_INCLUDE: its helper library, half of the build, is not
# used here.
set(LLAMA_BUILD_COMMON OFF CACHE BOOL "" FORCE)
