// A C++ program with static objects, thread-local objects and exceptions.
#include <iostream>
#include <stdexcept>

struct Loud {
    const char *name;
    ~Loud()
    {
        std::cout << name << std::endl;
    }
};

static Loud everywhere = {"static"};
static thread_local Loud here = {"thread"};

int main()
{
    try {
        throw std::runtime_error(here.name);
    } catch (const std::exception &error) {
        std::cout << "caught " << error.what() << std::endl;
    }
    return everywhere.name != nullptr ? 3 : 4;
}
