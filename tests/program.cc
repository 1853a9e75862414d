/*
 * Everything in exuvia.hpp once; tests/test_header.py compiles and runs it with each C++ compiler.
 */
#include <exuvia.hpp>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using exuvia::ref;

#define REQUIRE(condition) ((condition) ? void() : fail(__LINE__, #condition))

[[noreturn]] static void fail(int line, const char *condition)
{
    std::fprintf(stderr, "program.cc:%d: %s does not hold\n", line, condition);
    std::abort();
}

static int alive, finalized;

struct counted {
    counted() noexcept { alive++; }
    counted(const counted &) noexcept { alive++; }
    ~counted() { alive--; }
};

/* By members. */
struct node {
    static constexpr const char *type_name = "node";
    static constexpr auto members() { return std::make_tuple(&node::next, &node::other); }
    ref<node> next = {}, other = {};
    counted count = {};
};

/* By a function. */
struct branch {
    static constexpr const char *type_name = "branch";
    template <class Each> void each_reference(Each &&each)
    {
        each(parent);
        for (auto &child : children)
            each(child);
    }
    void finalize() { finalized++; }
    explicit branch(std::string given) : name(std::move(given))
    {
        if (name.empty())
            throw std::invalid_argument("a branch has a name");
    }
    std::string name;
    ref<branch> parent;
    std::vector<ref<void>> children;
};

/* By offsets, and with functions of its own. */
struct pair {
    static constexpr const char *type_name = "pair";
    static constexpr bool needs_destructor = false;
    static constexpr auto references()
    {
        return std::array<std::uint32_t, 2>{std::uint32_t(offsetof(pair, left)), std::uint32_t(offsetof(pair, right))};
    }
    static exv_status less_by_rank(void *a, void *b, bool *less)
    {
        *less = static_cast<pair *>(a)->rank < static_cast<pair *>(b)->rank;
        return EXV_OK;
    }
    static constexpr void extend(exv_type &type) { type.less = less_by_rank; }
    ref<void> left, right;
    int rank;
};

/* Of nothing. */
struct point {
    static constexpr const char *type_name = "point";
    double x, y;
};

static_assert(sizeof(ref<node>) == sizeof(void *) && std::is_nothrow_move_constructible_v<ref<node>>);
static_assert(!exuvia::type_of<point>.visit && !exuvia::type_of<point>.destroy && !exuvia::type_of<pair>.destroy);

static void references(exuvia::heap &heap)
{
    ref<node> a = heap.make<node>(), none;
    REQUIRE(!none && none == nullptr && exv_refcount(a.get()) == 1);
    ref<node> b = a, c = std::move(b);
    REQUIRE(!b && c == a && exv_refcount(a.get()) == 2);
    ref<node> &same = c;
    c = same;
    c = none;
    REQUIRE(exv_refcount(a.get()) == 1);
    ref<void> any = a;
    REQUIRE(exuvia::cast<node>(any.get()) == a.get() && !exuvia::cast<pair>(any.get()));
    node *owned = c.release();
    REQUIRE(!owned);
    a->next = heap.make<node>(a);
    any = nullptr;
    REQUIRE(alive == 2);
    a = nullptr;
    REQUIRE(alive == 2 && heap.collect() == 2 && alive == 0);
}

static void classes(exuvia::heap &heap)
{
    ref<branch> root = heap.make<branch>(std::string(100, 'x'));
    for (int i = 0; i < 10; i++) {
        ref<branch> child = heap.make<branch>("child");
        child->parent = root;
        root->children.push_back(child);
        root->children.push_back(heap.make<point>(1.0, 2.0));
    }
    exuvia::weak<branch> seen(root);
    REQUIRE(seen.lock() == root && root->name.size() == 100);
    REQUIRE(heap.collect() == 0);
    root = nullptr;
    REQUIRE(heap.collect() >= 11 && finalized == 11 && !seen.lock());
    try {
        heap.make<branch>("");
        fail(__LINE__, "an exception");
    } catch (const std::invalid_argument &) {
    }

    ref<pair> small = heap.make<pair>(ref<void>(), ref<void>(), 1), large = heap.make<pair>(small, small, 2);
    large->left = large;
    bool less = false;
    exuvia::check(heap, exv_less(small.get(), large.get(), &less));
    REQUIRE(less && exv_refcount(small.get()) == 2);
    large = nullptr;
    REQUIRE(heap.collect() == 1 && exv_refcount(small.get()) == 1);
}

/* An engine's own objects, counted by themselves, where it made them; and a node of the heap in a ring with them. */
class actor;
struct proxy {
    actor *of;
};
class handle {
public:
    handle() = default;
    explicit handle(actor *to);
    handle(handle &&other) noexcept : to_(std::exchange(other.to_, nullptr)) {}
    handle &operator=(handle other) noexcept
    {
        std::swap(to_, other.to_);
        return *this;
    }
    ~handle();
    actor *get() const { return to_; }

private:
    actor *to_ = nullptr;
};

class actor {
public:
    explicit actor(exuvia::heap &heap) : proxy_(static_cast<proxy *>(exv_new(heap, &proxy_type))) { proxy_->of = this; }
    ~actor()
    {
        proxy_->of = nullptr;
        exv_decref(proxy_);
    }
    void retain() { references_++; }
    void release()
    {
        if (--references_ == 0)
            delete this;
    }
    std::vector<handle> links;
    ref<node> script;

private:
    static int visit(void *self, exv_visit_fn *each, void *arg)
    {
        const actor *of = static_cast<proxy *>(self)->of;
        for (std::size_t i = 0; of && i < of->links.size(); i++)
            if (int end = each(of->links[i].get()->proxy_, arg))
                return end;
        return of ? each(of->script.get(), arg) : 0;
    }
    static void clear(void *self)
    {
        if (handle of{static_cast<proxy *>(self)->of}; of.get()) {
            of.get()->script = nullptr;
            std::vector<handle>().swap(of.get()->links);
        }
    }
    static std::size_t count(void *self)
    {
        const actor *of = static_cast<proxy *>(self)->of;
        return of ? of->references_ : 0;
    }
    static constexpr exv_type make_type()
    {
        exv_type type{};
        type.name = "actor";
        type.size = sizeof(proxy);
        type.visit = visit;
        type.clear = clear;
        type.foreign_count = count;
        return type;
    }
    static const exv_type proxy_type;
    std::size_t references_ = 0;
    proxy *proxy_;
    counted alive_ = {};
};
constexpr exv_type actor::proxy_type = actor::make_type();

handle::handle(actor *to) : to_(to)
{
    if (to)
        to->retain();
}
handle::~handle()
{
    if (to_)
        to_->release();
}

static void foreign_objects(exuvia::heap &heap)
{
    handle a(new actor(heap)), b(new actor(heap));
    a.get()->links.emplace_back(b.get());
    b.get()->links.emplace_back(a.get());
    b.get()->script = heap.make<node>();
    REQUIRE(alive == 3 && heap.collect() == 0);
    b = handle();
    REQUIRE(heap.collect() == 0);
    a = handle();
    REQUIRE(alive == 3 && heap.collect() == 3 && alive == 0);
}

static void values_and_errors(exuvia::heap &heap)
{
    ref<exv_list> list = exuvia::new_value(exv_list_new, heap);
    ref<exv_str> text = exuvia::result<exv_str>(exv_str_from, static_cast<exv_heap *>(heap), "text");
    exuvia::check(heap, exv_list_append(list.get(), text.get()));
    REQUIRE(exuvia::result_borrowed<void>(exv_list_get, list.get(), 0) == text);
    REQUIRE(exuvia::result<void>(exv_list_pop, list.get(), 0) == text);
    try {
        exuvia::result_borrowed<void>(exv_list_get, list.get(), 7);
        fail(__LINE__, "an exception");
    } catch (const exuvia::error &failure) {
        REQUIRE(failure.status() == EXV_INDEX_ERROR && !failure.value());
        REQUIRE(std::string(failure.what()) == "IndexError: list index out of range");
    }
    try {
        exuvia::check(heap, exv_raise(heap, EXV_ERROR, list.get(), "Oddity: %d", 7));
        fail(__LINE__, "an exception");
    } catch (const exuvia::error &failure) {
        exv_error_clear(heap);
        REQUIRE(failure.value() == list && std::string(failure.what()) == "Oddity: 7");
    }
    try {
        exuvia::new_value(exv_bytes_new, static_cast<exv_heap *>(heap), nullptr, EXV_MAX_SIZE + 1);
        fail(__LINE__, "an exception");
    } catch (const std::bad_alloc &) {
    }
}

int main()
{
    exuvia::heap heap;
    references(heap);
    classes(heap);
    foreign_objects(heap);
    values_and_errors(heap);
    REQUIRE(exv_heap_check(heap) == nullptr && heap.close() == 0);
    return 0;
}
